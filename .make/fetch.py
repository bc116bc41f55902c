#!/usr/bin/env python3
"""fetch.py [--check] [--cuda] [--wheels FILE] DIR: makes DIR/torch and DIR/nvidia from the pinned wheels.

pip downloads (and checks the SHA-256 of) the wheels; of them only headers and the libraries that are
linked are unpacked.  All happens in a folder beside DIR, under a lock; DIR appears by one rename, with a
list of its files and sizes, so a run that was killed leaves nothing that a later one would believe.
"""
import fcntl, fnmatch, os, shutil, subprocess, sys, tempfile, zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = ["torch/include/*", "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp*.so.1",
        "nvidia/cu13/lib/libcupti.so.*", "nvidia/cu13/lib/libcudart.so.*"]
CUDA = ["torch/lib/libtorch_cuda.so", "torch/lib/libc10_cuda.so", "torch/lib/libtorch_cuda_linalg.so",
        "torch/lib/libtorch_nvshmem.so"]
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_25_x86_64",
             "manylinux_2_17_x86_64", "manylinux2014_x86_64"]

def fail(message):
    sys.exit("libtorch: " + message)

def complete(folder, marker):
    """True if every file that the marker lists is there with its size."""
    try:
        with open(os.path.join(folder, marker)) as f:
            lines = f.read().splitlines()
        if not lines or lines[-1] != "end": return False
        for line in lines[:-1]:
            size, name = line.split(" ", 1)
            if os.path.getsize(os.path.join(folder, name)) != int(size): return False
        return True
    except (OSError, ValueError):
        return False

def download(wheels, to):
    print("libtorch: fetching the pinned wheels (about 540 MB, once)", flush=True)
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run(pip + ["--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        pip = [shutil.which("pip3") or fail("neither `python3 -m pip` nor pip3 works; Debian: apt-get install python3-pip")]
    command = pip + ["download", "--quiet", "--no-deps", "--no-cache-dir", "--disable-pip-version-check",
                     "--only-binary=:all:", "--python-version", "3.12", "--require-hashes", "-r", wheels, "-d", to]
    for p in PLATFORMS: command += ["--platform", p]
    if subprocess.run(command).returncode:
        fail("the wheels could not be fetched, or are not the pinned ones (pip's message is above)")

def unpack(wheels, to, patterns, marker):
    listed = []
    for wheel in sorted(os.listdir(wheels)):
        with zipfile.ZipFile(os.path.join(wheels, wheel)) as z:
            for m in z.infolist():
                if m.filename.endswith("/") or not any(fnmatch.fnmatch(m.filename, p) for p in patterns): continue
                z.extract(m, to)                     # checks the CRC; refuses to leave `to`
                if "/include/" not in m.filename or m.filename.endswith("/version.h"):
                    listed.append(f"{m.file_size} {m.filename}")
    if not listed: fail("the wheels hold none of the expected files")
    with open(os.path.join(to, marker), "w") as f:
        f.write("\n".join(listed + ["end"]) + "\n")
        f.flush(); os.fsync(f.fileno())

def main(args):
    wheels = os.path.join(HERE, "wheels.txt")
    if "--wheels" in args:
        i = args.index("--wheels"); wheels = args[i + 1]; del args[i:i + 2]
    cuda, check = "--cuda" in args, "--check" in args
    folder = os.path.abspath([a for a in args if not a.startswith("--")][0])
    def ready(): return complete(folder, ".complete") and (not cuda or complete(folder, ".complete-cuda"))
    if check: return 0 if ready() else 1
    if ready(): return 0
    parent, name = os.path.split(folder)
    os.makedirs(parent, exist_ok=True)
    prefix = f".{name}.new-"
    with open(os.path.join(parent, f".{name}.lock"), "w") as lock:
        try: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("libtorch: another run is fetching it; waiting", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if ready(): return 0
        for left in os.listdir(parent):              # of killed runs: we hold the lock
            if left.startswith(prefix): shutil.rmtree(os.path.join(parent, left), ignore_errors=True)
        work = tempfile.mkdtemp(prefix=prefix, dir=parent)
        try:
            new, got = os.path.join(work, "new"), os.path.join(work, "wheels")
            os.mkdir(new); os.mkdir(got)
            download(wheels, got)
            print("libtorch: unpacking headers and libraries", flush=True)
            if not complete(folder, ".complete"):
                unpack(got, new, BASE, ".complete")
                if os.path.lexists(folder): os.rename(folder, os.path.join(work, "old"))
                os.rename(new, folder)
            if cuda:
                add = os.path.join(work, "cuda")
                unpack(got, add, CUDA, ".complete-cuda")
                for f in os.listdir(os.path.join(add, "torch/lib")):
                    os.rename(os.path.join(add, "torch/lib", f), os.path.join(folder, "torch/lib", f))
                os.rename(os.path.join(add, ".complete-cuda"), os.path.join(folder, ".complete-cuda"))
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return 0

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
