"""How the wheel is made: setuptools, and one library of C code that is compiled on the way. Nothing of this is installed."""
