#!/usr/bin/env python3
"""loading_peer.py FOLDER SIZE WORKERS: the folder's pictures as people load them with PyTorch and Pillow.

A Dataset opens each file, converts it to grey, resizes it and makes a tensor; a DataLoader with WORKERS
persistent processes collects batches of 64.  Answers every line of standard input with one pass over all
files: its seconds, and the sum of all pixels.
"""
import os, sys, time
import numpy, torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

FOLDER, SIZE, WORKERS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class Pictures(Dataset):
    def __init__(self):
        self.paths = sorted(os.path.join(at, name) for at, _, names in os.walk(FOLDER, followlinks=True)
                            for name in names if name.lower().endswith((".png", ".jpg", ".jpeg")))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        picture = Image.open(self.paths[i]).convert("L").resize((SIZE, SIZE), Image.BILINEAR)
        return torch.from_numpy(numpy.array(picture))[None]


loader = DataLoader(Pictures(), batch_size=64, num_workers=WORKERS, persistent_workers=WORKERS > 0)
for _ in loader:                                 # the workers are up
    break
for _ in sys.stdin:
    began = time.monotonic()
    batches = list(loader)
    seconds = time.monotonic() - began
    print(seconds, sum(int(b.sum(dtype=torch.int64)) for b in batches), flush=True)
