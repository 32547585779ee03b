"""Evaluates detections with pycocotools and prints the numbers as JSON.

    pycocotools_evaluation.py truth.json detections.json
"""

import contextlib
import json
import sys

import numpy
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def mean(values):
    """The mean of what is defined; pycocotools marks what is not with -1."""
    values = values[values > -1]
    return float(values.mean()) if values.size else None


def evaluated(truth, detections):
    coco = COCO(truth)
    evaluation = COCOeval(coco, coco.loadRes(detections), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    # Thresholds, recalls, classes; all sizes, at most 100 detections.
    precision = evaluation.eval["precision"][:, :, :, 0, 2]
    classes = range(precision.shape[2])
    return {
        "map50": mean(precision[0]),
        "map50_95": mean(precision),
        "classes": [
            {"ap50": mean(precision[0, :, number]), "ap50_95": mean(precision[:, :, number])} for number in classes
        ],
        **balance(evaluation, coco),
    }


def balance(evaluation, coco):
    """The confidence with the greatest mean F1 at an intersection over union of 0.5, and what classes reach there."""
    categories = evaluation.params.catIds
    images = len(evaluation.params.imgIds)
    sizes = len(evaluation.params.areaRng)
    instances = [len(coco.getAnnIds(catIds=[category])) for category in categories]
    scores, matches = [], []
    for number in range(len(categories)):
        begin = number * sizes * images
        found = [image for image in evaluation.evalImgs[begin : begin + images] if image is not None]
        scores.append(numpy.concatenate([image["dtScores"] for image in found] or [[]]))
        matches.append(numpy.concatenate([image["dtMatches"][0] for image in found] or [[]]) > 0)

    def at(confidence, number):
        taken = scores[number] >= confidence
        return int((taken & matches[number]).sum()), int(taken.sum())

    def f1(confidence):
        values = []
        for number, count in enumerate(instances):
            if count:
                right, taken = at(confidence, number)
                values.append(2 * right / (taken + count))
        return numpy.mean(values) if values else 0.0

    best = max(numpy.unique(numpy.concatenate(scores)), key=f1, default=0.0)
    return {
        "best_f1": float(f1(best)),
        "at_best": [[*at(best, number), count] for number, count in enumerate(instances)],
        "confidence": float(best),
    }


with contextlib.redirect_stdout(sys.stderr):
    result = evaluated(sys.argv[1], sys.argv[2])
print(json.dumps(result))
