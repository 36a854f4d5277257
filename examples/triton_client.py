"""Fill the hole of a picture on a Triton Inference Server: python triton_client.py PHOTO MASK OUT [HOST:PORT [SEED]].

The client needs `pip install "tritonclient[grpc]" scikit-image`, but not gi-plugin. docs/triton-server.md describes the server.
"""

import sys

import numpy as np
import tritonclient.grpc as triton
from skimage import io


def inputs_of(image: np.ndarray, mask: np.ndarray) -> list[triton.InferInput]:
    """Make the inputs of the model `gi_inpaint`: image uint8 [H, W, C] with C = 1, 3 or 4, and mask uint8 [H, W], non-zero = missing."""
    image = image[..., None] if image.ndim == 2 else image
    inputs = []
    for name, values in (("image", image), ("mask", mask)):
        inputs.append(triton.InferInput(name, list(values.shape), "UINT8"))
        inputs[-1].set_data_from_numpy(np.ascontiguousarray(values, np.uint8))
    return inputs


def main(photo: str, mask: str, out: str, server: str = "localhost:8001", seed: str = "0") -> None:
    """Send one picture to the server and save the result; another seed gives another result."""
    with triton.InferenceServerClient(server) as client:
        answer = client.infer("gi_inpaint", inputs_of(io.imread(photo), io.imread(mask)), parameters={"seed": int(seed)})
    filled = answer.as_numpy("filled")
    io.imsave(out, filled[..., 0] if filled.shape[2] == 1 else filled)


if __name__ == "__main__":
    main(*sys.argv[1:])
