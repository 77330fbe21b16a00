"""Draw a box around something in front of a camera, and watch it being tracked; q ends, r selects anew.

python examples/webcam.py [CAMERA]

The windows need a display and an OpenCV with windows: the extra [gui].
"""

import sys

import cv2

import siammaskpp_core

source = sys.argv[1] if len(sys.argv) > 1 else "0"
camera = cv2.VideoCapture(int(source) if source.isdecimal() else source)
session = siammaskpp_core.Session()

found, image = camera.read()
while found:
    if not session.ids:
        box = cv2.selectROI("webcam", image, printNotice=False)
        if not any(box):
            break  # the user pressed c
        session.add(image, box, label="object")
    result = session.update(image)
    cv2.imshow("webcam", siammaskpp_core.draw(result))
    key = cv2.waitKey(1) & 0xFF
    if key == ord("r"):
        session.remove(session.ids[0])
    elif key == ord("q"):
        break
    found, image = camera.read()
camera.release()
