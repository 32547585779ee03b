"""Has Label Studio's converter turn an export into YOLO and COCO and prints the boxes of both as JSON.

    exchange_label_studio.py FOLDER
"""

import contextlib
import json
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote

from label_studio_sdk.converter import Converter


def pixels(left, top, width, height):
    return [round(left), round(top), round(left + width), round(top + height)]


def name_of(path):
    return unquote(path).replace("\\", "/").rsplit("/", 1)[-1]


def sizes(folder):
    """Width and height of each picture by the stem of its file."""
    tasks = json.loads((folder / "tasks.json").read_text())
    return {
        Path(name_of(task["data"]["image"])).stem: (
            name_of(task["data"]["image"]),
            task["data"]["width"],
            task["data"]["height"],
        )
        for task in tasks
    }


def from_coco(output):
    result = json.loads((output / "result.json").read_text())
    classes = {category["id"]: category["name"] for category in result["categories"]}
    images = {image["id"]: name_of(image["file_name"]) for image in result["images"]}
    boxes = {name: [] for name in images.values()}
    for annotation in result["annotations"]:
        box = [classes[annotation["category_id"]], pixels(*annotation["bbox"])]
        boxes[images[annotation["image_id"]]].append(box)
    return boxes


def from_yolo(output, known):
    classes = (output / "classes.txt").read_text().splitlines()
    boxes = {}
    for file in sorted((output / "labels").glob("*.txt")):
        name, width, height = known[file.stem]
        boxes[name] = []
        for line in file.read_text().splitlines():
            number, x, y, w, h = line.split()
            x, w, y, h = float(x) * width, float(w) * width, float(y) * height, float(h) * height
            boxes[name].append([classes[int(number)], pixels(x - w / 2, y - h / 2, w, h)])
    return boxes


def main(folder):
    tasks = str(folder / "tasks.json")
    # The converter reports its progress, and standard output is for the result.
    with tempfile.TemporaryDirectory() as output, contextlib.redirect_stdout(sys.stderr):
        output = Path(output)
        config = str(folder / "label_config.xml")
        converter = Converter(config=config, project_dir=None, download_resources=False)
        converter.convert(tasks, str(output / "coco"), "COCO", is_dir=False)
        converter.convert(tasks, str(output / "yolo"), "YOLO", is_dir=False)
        result = {"coco": from_coco(output / "coco"), "yolo": from_yolo(output / "yolo", sizes(folder))}
    print(json.dumps(result))


main(Path(sys.argv[1]))
