"""Whom a station may talk to, in Debian systems with a network of their own: for test_packages.py."""
import subprocess
import sys

from debian import Case

# Passes what comes to a port of the loopback on to the station, from another address, and back what it answers.
FORWARDER = """
import select, socket, sys
inner, outer = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
inner.bind(("127.0.0.1", 0))
outer.bind((sys.argv[1], 0))
print(inner.getsockname()[1], flush=True)
while True:
    for ready in select.select([inner, outer], [], [])[0]:
        datagram, sender = ready.recvfrom(65536)
        if ready is inner:
            asker = sender
            outer.sendto(datagram, ("192.0.2.1", 6465))
        else:
            inner.sendto(datagram, asker)
"""


class Network(Case):
    """Whom a station may talk to, when `onset setup` has been told. The station is 192.0.2.1."""
    wants, isolated = ["onset-station", "onset-tools"], True
    LIMITS = "/etc/systemd/system/onsetd.service.d/network.conf"
    UPSTREAM, OPERATOR, STRANGER = "192.0.2.7", "192.0.2.65", "192.0.2.9"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for address in ("192.0.2.1", cls.UPSTREAM, cls.OPERATOR, cls.STRANGER):
            subprocess.run(cls.inside("ip", "address", "add", f"{address}/24", "dev", "lo"), check=True)
        cls.system.do("onset key operator /srv/ada > /srv/ada.lines && onset key public /etc/onset/station.key")

    @classmethod
    def inside(cls, *words):
        """A program of this machine, on the container's network."""
        return ["nsenter", "--target", cls.system.leader, "--net", *words]

    def set_up(self, *options):
        """The station runs afterwards. There is no digitizer, which its self-test says, and setup with it."""
        # One whose operators nobody names again would be kept.
        self.system.do("rm -f /etc/onset/station.toml")
        result = self.system.run("onset setup --replace --digitizer raspberry-shake=192.0.2.8 --code XX.ONST1.00.EH --sensor none "
                                 + " ".join(options))
        self.assertIn("BAD", result.said)
        self.assertEqual(result.status, 1, result.said)
        self.system.do("systemctl restart onsetd")
        return result.said

    def answers(self, address):
        """Whether a station that is asked from there answers."""
        forwarder = subprocess.Popen(self.inside(sys.executable, "-c", FORWARDER, address), stdout=subprocess.PIPE, text=True)
        try:
            port = int(forwarder.stdout.readline())
            result = self.system.run(f"onset ping 127.0.0.1:{port} --key /srv/ada --public /etc/onset/station.key.pub")
        finally:
            forwarder.kill()
            forwarder.communicate()
        self.assertTrue(result.status == 0 or "no answer to" in result.said, result.said)
        return result.status == 0

    def hears(self, address):
        """Whether the station's datagrams come there, as its upstream."""
        listener = ("import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 6464)); "
                    "print('bound', flush=True); s.settimeout(float(sys.argv[2])); s.recv(500); print('heard', flush=True)")
        with subprocess.Popen(self.inside(sys.executable, "-c", listener, address, "60"), stdout=subprocess.PIPE, text=True) as process:
            self.assertEqual(process.stdout.readline(), "bound\n")
            self.system.do("systemctl restart onsetd")
            return process.stdout.readline() == "heard\n"

    def test_strangers_are_not_heard(self):
        said = self.set_up("--upstream", self.UPSTREAM, "--operators /srv/ada.lines --allow 192.0.2.64/28")
        self.assertIn("network: the station talks to 192.0.2.7, 192.0.2.64/28, 192.0.2.8 and to this machine alone", said)
        self.assertEqual(self.system.mode(self.LIMITS), "644 root:root")
        self.assertEqual(set(self.system.do("systemctl show -p IPAddressDeny --value onsetd").split()), {"::/0", "0.0.0.0/0"})
        if "does not support BPF/cgroup firewalling" in self.system.do("journalctl -b -o cat"):
            self.skipTest("the kernel lets systemd limit nobody's network here")
        self.assertFalse(self.answers(self.STRANGER))
        self.assertTrue(self.answers(self.OPERATOR))
        self.assertTrue(self.hears(self.UPSTREAM))
        self.system.do("systemd-analyze security --threshold=20 onsetd.service")
        # An upstream that is a name may move, so nothing is denied any more.
        said = self.set_up("--upstream collector.example.org --operators /srv/ada.lines")
        self.assertIn("network: the station talks to everybody, because collector.example.org is a name", said)
        self.assertFalse(self.system.has(self.LIMITS))
        self.assertTrue(self.answers(self.STRANGER))
        # Nobody is named: the upstream alone. Then operators are, and not where they are.
        self.set_up("--upstream", self.UPSTREAM)
        self.assertIn("IPAddressAllow=192.0.2.7", self.system.read(self.LIMITS))
        self.set_up("--upstream", self.UPSTREAM, "--operators /srv/ada.lines")
        self.assertTrue(self.answers(self.STRANGER))
        self.set_up("--upstream", self.UPSTREAM, "--operators /srv/ada.lines --allow collector")
        self.assertFalse(self.answers(self.OPERATOR))
        self.assertTrue(self.answers(self.UPSTREAM))

    def test_z_purge(self):
        self.set_up("--upstream", self.UPSTREAM)
        self.assertTrue(self.system.has(self.LIMITS))
        self.system.do("apt-get -q --yes purge onset-station")
        self.assertFalse(self.system.has("/etc/systemd/system/onsetd.service.d"))
