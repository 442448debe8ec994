# @title Set up on Colab (does nothing elsewhere)
import sys

if "google.colab" in sys.modules:
    import shutil
    import subprocess
    from pathlib import Path

    from google.colab import files

    home = Path("/content/coursework")
    address = "https://github.com/deep-learning-coursework/deep-learning-coursework.git"
    if not home.exists() and subprocess.run(["git", "clone", "-q", address, home]).returncode:
        print("The project could not be fetched: please upload its zip.")
        shutil.unpack_archive(next(iter(files.upload())), home)
    home = next(home.rglob("helpers.py")).parent
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-e", home], check=True)
    sys.path[:0] = map(str, [home, *home.glob("companions/*")])
