# @title Set up: fetches the project on Colab, looks for it elsewhere
import re
import sys
from importlib.util import find_spec
from subprocess import getoutput

home = "YOUR--NAME/deep-learning-coursework"
if "google.colab" in sys.modules:
    opened = getoutput("curl -sm 5 http://172.28.0.12:9000/api/sessions").replace("%2F", "/")
    homes = [*re.findall(r"github\.com/([\w.-]+/[\w.-]+)/", opened), home]
    get = "curl -sfm 20 https://raw.githubusercontent.com/{}/HEAD/tools/bootstrap.py || "
    get = "".join(map(get.format, homes)) + "unzip -p '*.zip' '*/tools/bootstrap.py' 2> /dev/null"
    tries = 3
    while not (code := getoutput(get)) and tries:
        tries -= 1
        print(f"Upload the project's zip: GitHub has no {home} (`make address TO=...` helps).")
        sys.modules["google.colab"].files.upload()
    exec(code and f"{code}\nmain({homes})", {})
if not find_spec("helpers"):
    sys.exit(f"Rerun this in the unzipped project, or pip install git+https://github.com/{home}")
