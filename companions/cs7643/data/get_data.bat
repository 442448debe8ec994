@echo off
rem Writes mnist_train.csv and mnist_test.csv into this folder.
python "%~dp0get_data.py"
