"""What other tools make of a Darknet network: OpenCV's raw outputs, and whether our ONNX file is well formed.

usage: opencv_darknet.py CFG WEIGHTS ONNX INPUT WIDTH HEIGHT OUTPUT

INPUT holds 32-bit floats of the shape [1, 3, HEIGHT, WIDTH]. OUTPUT gets the rows of all [yolo] layers in their order:
centre x, centre y, width, height (relative to the input), objectness, objectness times each class probability.
The class names in the ONNX file's metadata are printed, a name a line.
"""

import ast
import sys

import cv2
import numpy as np
import onnx

cfg, weights, exported, picture, width, height, output = sys.argv[1:]

# Without these, OpenCV sets small probabilities to zero.
text = open(cfg, encoding="utf-8").read().replace("[yolo]", "[yolo]\nthresh=0\nnms_threshold=0")
network = cv2.dnn.readNetFromDarknet(np.frombuffer(text.encode(), np.uint8), np.fromfile(weights, np.uint8))
network.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
# Winograd's convolution is faster and less exact.
network.enableWinograd(False)
network.setInput(np.fromfile(picture, np.float32).reshape(1, 3, int(height), int(width)))
heads = network.forward(network.getUnconnectedOutLayersNames())
np.concatenate(heads).astype(np.float32).tofile(output)

onnx.checker.check_model(exported, full_check=True)
metadata = {entry.key: entry.value for entry in onnx.load(exported).metadata_props}
names = ast.literal_eval(metadata["names"])
assert list(names) == list(range(len(names))), "the keys of the names are not 0, 1, 2…"
print("\n".join(names.values()))
