#!/bin/sh
# Packs the code into assignment_1_submission.zip: what the graders call, without tests (they have their own), data and caches.
set -e
cd "$(dirname "$0")"
find configs models optimizer -name __pycache__ -prune -exec rm -r {} +
"${PYTHON:-python3}" -m zipfile -c .submission.part main.py utils.py configs models optimizer
mv .submission.part assignment_1_submission.zip
echo "wrote assignment_1_submission.zip"
