"""Sends pictures as the clients of the iWebLens course do: the same calls of the same library.

Arguments: generation (2020 or 2021), folder, URL, number of threads. Prints a JSON list with an entry a picture:
its path, the status and body of the answer, and the id that was sent.
"""

import base64
import concurrent.futures
import glob
import json
import os
import sys
import uuid

import requests


def send_2020(path, url):
    with open(path, "rb") as picture:
        return None, requests.post(url, files={"image": picture})


def send_2021(path, url):
    identity = str(uuid.uuid5(uuid.NAMESPACE_OID, path))
    with open(path, "rb") as picture:
        data = {"image": base64.b64encode(picture.read()).decode("utf-8"), "id": identity}
    headers = {"Content-Type": "application/json"}
    return identity, requests.post(url, json=json.dumps(data), headers=headers)


def main():
    generation, folder, url, threads = sys.argv[1:]
    send = {"2020": send_2020, "2021": send_2021}[generation]

    def exchange(path):
        identity, answer = send(path, url)
        return {"path": path, "id": identity, "status": answer.status_code, "body": answer.text}

    paths = glob.glob(os.path.join(folder, "") + "*.jpg")
    with concurrent.futures.ThreadPoolExecutor(max_workers=int(threads)) as executor:
        print(json.dumps(list(executor.map(exchange, paths))))


if __name__ == "__main__":
    main()
