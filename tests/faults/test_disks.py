"""Disks that are full, read-only, slow, or lose power while results are written."""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from fault_runs import RUN, STAGES, contents

SFTP_SERVER = Path("/usr/lib/sftp-server")
PACKAGES = "sshfs", "openssh-sftp-server"
DEBIAN = Path(__file__).parents[1] / "debian"
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def fails(project, target):
    done = project.snakemake(target, check=False)
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("folder", "target"),
    [
        ("results/data", "results/data/ihc/images.npy"),
        (RUN, f"{RUN}/pretrained.pt"),
        (f"{RUN}/eval-090.0", f"{RUN}/eval-090.0/saliency.npz"),
        ("results/tables", "results/tables/dice_per_item.parquet"),
    ],
    ids=["data", "checkpoint", "saliency", "table"],
)
def test_a_full_disk_leaves_no_half_written_file(project, mount, folder, target):
    whole = project.folder / target
    before, room = contents(project.folder / folder), whole.stat().st_size // 2
    mount(project.folder / folder, "-t", "tmpfs", "-o", f"size={room}", "tmpfs")
    heard = fails(project, target)
    assert "No space left on device" in heard and "what is finished stays" in heard
    assert not contents(project.folder / folder)
    remount(project.folder / folder, "size=1G")
    project.snakemake(target)
    after = contents(project.folder / folder)
    assert after and after.items() <= before.items()


def test_read_only_results_can_be_looked_at_and_are_named_when_written(project, mount):
    results = project.folder / "results"
    scores = project.folder / STAGES["score"][0]
    before = contents(results)
    mount(results, "--bind", results)
    remount(results, "bind,ro")
    assert "Nothing to be done" in "".join(project.snakemake().stderr)
    remount(results, "bind,rw")
    scores.unlink()
    scores.with_name("reliability.csv").unlink()  # of the same job: Snakemake would stop at it
    remount(results, "bind,ro")
    heard = fails(project, STAGES["score"][0])
    assert "Read-only file system" in heard and STAGES["score"][0] in heard
    remount(results, "bind,rw")
    project.snakemake(STAGES["score"][0])
    assert contents(results) == before


def test_a_power_cut_leaves_whole_files_or_none(project, mount, tmp_path):
    """The file system stops at once and forgets all that it has not been told to keep."""
    disk, maps = tmp_path / "disk.img", project.folder / RUN / "eval-090.0"
    before = contents(maps)
    with disk.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", disk], check=True)
    mount(maps, "-o", "loop", disk)
    project.snakemake(STAGES["score"][0])
    (maps / "forgotten").write_bytes(bytes(1 << 16))  # nobody asked to keep it
    opened = os.open(maps, os.O_RDONLY)
    fcntl.ioctl(opened, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    os.close(opened)
    subprocess.run(["umount", maps], check=True)
    subprocess.run(["mount", "-o", "loop", disk, maps], check=True)
    assert not (maps / "forgotten").exists() or not (maps / "forgotten").read_bytes()
    after = contents(maps)
    kept = {path: after[path] for path in before if path in after}
    assert kept.items() <= before.items()
    assert kept
    # both files of the job: it may have been cut between them
    project.snakemake(STAGES["score"][0], STAGES["score"][0].replace("dice", "reliability"))
    after = contents(maps)
    assert {path: after[path] for path in before} == before


# a server on this machine, whose every answer takes a while to arrive
SLOW = """
import os, subprocess, sys, threading, time

server = subprocess.Popen([{server!r}], stdin=sys.stdin, stdout=subprocess.PIPE)
while answer := os.read(server.stdout.fileno(), 1 << 16):
    time.sleep({seconds})
    while answer:
        answer = answer[os.write(1, answer) :]
"""


def test_a_slow_network_file_system(project, tmp_path):
    """SFTP through sshfs, which like NFS remembers names and attributes for a while."""
    if not (shutil.which("sshfs") and SFTP_SERVER.exists()) and shutil.which("apt-get"):
        subprocess.run([DEBIAN, *PACKAGES], capture_output=True)
    if not shutil.which("sshfs"):
        pytest.skip(f"no sshfs here: {DEBIAN} {' '.join(PACKAGES)}")
    before = contents(project.folder / "results")
    for stage in ("saliency", "score"):
        (project.folder / STAGES[stage][0]).unlink()
    relay, remote = tmp_path / "relay.py", tmp_path / "remote"
    relay.write_text(SLOW.format(server=str(SFTP_SERVER), seconds=0.002))
    remote.mkdir()
    ssh = f"ssh_command={sys.executable} {relay}"
    mounted = subprocess.run(["sshfs", f"any:{project.folder}", remote, "-o", ssh])
    if mounted.returncode:
        pytest.skip("this machine may not mount a file system of its own")
    try:
        project.at(remote).snakemake(STAGES["score"][0])
        assert contents(remote / "results") == before
    finally:
        subprocess.run(["umount", remote], check=True)
    assert contents(project.folder / "results") == before
