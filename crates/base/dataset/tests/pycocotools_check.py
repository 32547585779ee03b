"""Reads COCO files with pycocotools and prints what it understands as JSON.

    pycocotools_check.py instances.json...
"""

import contextlib
import json
import sys

from pycocotools.coco import COCO


def summary(path):
    # The class reports its progress, and standard output is for the result.
    with contextlib.redirect_stdout(sys.stderr):
        coco = COCO(path)
    # As in COCO's own files of pictures without labels.
    is_labelled = "annotations" in coco.dataset
    coco.dataset.setdefault("annotations", [])
    images = coco.loadImgs(coco.getImgIds())
    boxes = coco.loadAnns(coco.getAnnIds(iscrowd=False))
    result = {
        "labelled": is_labelled,
        "classes": [category["name"] for category in coco.loadCats(sorted(coco.getCatIds()))],
        "images": {image["file_name"]: len(coco.getAnnIds(imgIds=[image["id"]])) for image in images},
        "annotations": len(boxes),
        "area": sum(box["area"] for box in boxes),
        "area_of_boxes": sum(box["bbox"][2] * box["bbox"][3] for box in boxes),
        "by_class": {
            category["name"]: len(coco.getAnnIds(catIds=[category["id"]]))
            for category in coco.loadCats(coco.getCatIds())
        },
    }
    if boxes:
        with contextlib.redirect_stdout(sys.stderr):
            result["perfect"] = perfect(coco, boxes)
    return result


def perfect(coco, boxes):
    """The mean average precision of the truth against itself, which is 1."""
    from pycocotools.cocoeval import COCOeval

    keys = ("image_id", "category_id", "bbox")
    found = coco.loadRes([{**{key: box[key] for key in keys}, "score": 0.9} for box in boxes])
    evaluation = COCOeval(coco, found, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0]


print(json.dumps({path: summary(path) for path in sys.argv[1:]}))
