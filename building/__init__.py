"""The build backend: setuptools, and the compilation of the C code to one library. This package is not installed."""
