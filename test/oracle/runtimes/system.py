"""Where a runtime runs: in this system, or in one of another release that scripts/runtimes-setup has made."""

import glob
import os
import shutil
import subprocess

CACHE = "/var/cache/truefin/runtimes"

# Makes a mount namespace whose root has the system's programs, this one's devices, and the named directories at the
# places that they have here. Nothing is written to the system. It is there as long as standard input is open.
ENTER = """
    set -eu
    root=$1
    shift
    mount -t tmpfs tmpfs "$root/mnt"
    cd "$root/mnt"
    mkdir old proc sys dev etc usr var tmp
    cp -P "$root"/bin "$root"/sbin "$root"/lib* .
    for directory in etc usr var; do
        mount --bind "$root/$directory" "$directory"
    done
    for directory in proc sys dev; do
        mount --rbind "/$directory" "$directory"
    done
    for directory; do
        mkdir -p ".$directory"
        mount --rbind "$directory" ".$directory"
    done
    pivot_root . old
    cd /
    umount -l /old
    echo ready
    exec cat
"""


def own_release():
    """The number of this Debian's release; 0 if this is another system, and a high one for what has no number yet."""
    with open("/etc/os-release") as lines:
        words = dict(line.rstrip("\n").replace('"', "").split("=", 1) for line in lines if "=" in line)
    return int(words.get("VERSION_ID", "99")) if words.get("ID") == "debian" else 0


class System:
    """One that was made of the release `suite`; None: this system."""

    def __init__(self, suite=None):
        self.root, self.holder = suite and os.path.join(CACHE, suite), None

    def find(self, tool, package):
        """The program's name or path there, or None. `tool` is a name or the pattern of a path. In a system that was made,
        only what it was made for counts."""
        if self.root:
            return tool if package in self._packages() else None
        if "/" in tool:
            return next(iter(sorted(glob.glob(tool))), None)
        return tool if shutil.which(tool) else None

    def _packages(self):
        try:
            with open(os.path.join(self.root, "etc/truefin-runtimes")) as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    def start(self, directories):
        """Makes it ready to run commands, which see these directories as they are here."""
        if self.root is None or self.holder:
            return
        self.holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "enter",
                                        self.root, *directories], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.holder.stdout.readline() != b"ready\n":
            raise RuntimeError("no way into %s" % self.root)

    def stop(self):
        if self.holder:
            self.holder.communicate()
            self.holder = None

    def command(self, words, directory, environment=()):
        """The command that runs these words there, in that directory, with these settings ("NAME=VALUE")."""
        words = ["env", "-C", directory, *environment, *words]
        return ["nsenter", "--mount=/proc/%d/ns/mnt" % self.holder.pid, *words] if self.holder else words
