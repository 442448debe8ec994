@echo off
rem Packs what the graders call into assignment_1_submission.zip; they have their own tests.
cd /d "%~dp0"
for /d /r %%d in (__pycache__) do if exist "%%d" rd /s /q "%%d"
python -m zipfile -c assignment_1_submission.zip main.py utils.py configs models optimizer
