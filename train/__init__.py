"""The network of Yu et al. (CVPR 2018), its training, export and evaluation. Needs the `train` extra."""

from __future__ import annotations
