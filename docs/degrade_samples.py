"""Makes two samples from docs/samples/farmhouse.png: a compressed photograph and a noisy scan.

Run from the repository's root: python docs/degrade_samples.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

SAMPLES = Path("docs/samples")
QUALITY, SIGMA = 40, 12

with Image.open(SAMPLES / "farmhouse.png") as picture:
    clean = picture.convert("RGB")
clean.save(SAMPLES / "farmhouse-compressed.jpg", quality=QUALITY)
noise = np.random.default_rng(0).normal(0, SIGMA, (clean.height, clean.width, 3))
scan = (np.asarray(clean) + noise).round().clip(0, 255).astype(np.uint8)
Image.fromarray(scan).save(SAMPLES / "farmhouse-scan.png", optimize=True)
