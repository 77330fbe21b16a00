"""Pictures whose EXIF orientation says that they are to be turned by 90 degrees."""

import cv2
import pytest


def write_turned(path, image):
    """Write a JPEG that viewers turn: its stored pixels are those of `image` (BGR)."""
    PillowImage = pytest.importorskip("PIL.Image")
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).save(path, exif=exif, quality=95)
