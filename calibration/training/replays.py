"""Records through the station's own loop: `onset replay`, as the messages that it prints."""
import json
import subprocess


def messages(onset, path, *arguments):
    """Every message of a record, in the order of the stream."""
    out = subprocess.run([onset, "replay", *arguments, path], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def confirmed(onset, path, picker=None):
    """The confirmed picks of a record, by another network than the shipped one if one is given."""
    arguments = ["--picker", picker] if picker else []
    return [pick for pick in messages(onset, path, "--only", "pick", *arguments) if pick["status"] == "confirmed"]
