@echo off
rem Packs the code into assignment_1_submission.zip.
cd /d "%~dp0"
for /d /r %%d in (__pycache__) do if exist "%%d" rd /s /q "%%d"
python -m zipfile -c assignment_1_submission.zip main.py utils.py configs models optimizer tests environment.yaml
