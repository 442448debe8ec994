#!/bin/sh
# Writes mnist_train.csv and mnist_test.csv into this folder. Needs Python 3 and either COURSEWORK_DATA or a network.
exec "${PYTHON:-python3}" "$(dirname "$0")/get_data.py"
