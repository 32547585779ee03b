"""Prints the path of the ONNX Runtime library inside the installed Python package."""

import glob
import os
import sys

import onnxruntime

folder = os.path.join(os.path.dirname(onnxruntime.__file__), "capi")
libraries = sorted(glob.glob(os.path.join(folder, "libonnxruntime.so.*")))
if not libraries:
    sys.exit(f"no libonnxruntime.so in {folder}: the onnxruntime package has another layout than expected")
print(libraries[-1])
