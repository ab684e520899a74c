import os

# The test that runs this puts a variable of this name into the environment of the runner.
SECRET = "DARKROOM_CANARY"
FOLDERS = ["/root", "/home", "/work", "/Users", "/mnt", "/srv"]


def environments():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    yield file.read()
            except OSError:
                pass


def listed(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


def handler(event, context):
    seen = [name for name in (SECRET, "HOME", "USER", "SSH_AUTH_SOCK", "CARGO_HOME") if name in os.environ]
    seen += ["environment of another process" for text in environments() if SECRET.encode() in text]
    seen += [folder for folder in FOLDERS if listed(folder)]
    raise PermissionError(f"of the host is visible: {seen or 'nothing'}")
