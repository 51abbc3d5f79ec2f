"""The processes of the cluster, on loopback, in a folder that goes with them."""

import json
import pathlib
import secrets
import shutil
import subprocess
import tempfile

from clusterlib import binaries
from clusterlib.api import Api, until
from clusterlib.claims import Ended
from clusterlib.programs import end_with_the_parent
from stacklib.waiting import port_is_free

# Below those that outgoing connections take, and away from the ones of deploy/local, whatever its offset.
PORTS = {"etcd": 24379, "etcd peer": 24380, "api": 24443, "kubelet": 24250, "worker": 24251}


class ControlPlane:
    """As a context manager: what it started ends with it, also when it is killed itself."""

    def __init__(self):
        self.programs = binaries.all_of_them()
        self.children = {}

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="user-purge-sync-cluster-"))
        try:
            self._refuse_taken_ports()
            self._write_credentials()
            self._write_audit_policy()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # The other way round: who needs somebody ends before them.
        for child in reversed(self.children.values()):
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self, name):
        return self.folder / f"{name}.log"

    def version(self):
        return self.api.get("/version")["gitVersion"]

    def writes(self, namespace):
        """What helm has asked the API server to change there so far, as the server's own audit log has it."""
        events = map(json.loads, self.log("audit").read_text().splitlines())
        from_helm = [event for event in events if event.get("userAgent", "").startswith("Helm/")]
        asked = [(event["verb"], event["objectRef"]) for event in from_helm if event["objectRef"].get("namespace") == namespace]
        return [f"{verb} {thing['resource']}/{thing.get('name', '')}" for verb, thing in asked]

    def _refuse_taken_ports(self):
        for name, port in PORTS.items():
            if not port_is_free(port):
                raise Ended(f"port {port} ({name}) is taken: does another helm/cluster run?")

    def _write_credentials(self):
        """One certificate for all that listen, and its key for the tokens of service accounts as well."""
        self.certificate, self.key = self.folder / "certificate.pem", self.folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.certificate]
        subprocess.run(command, check=True, capture_output=True)
        token = secrets.token_hex(16)
        self.tokens = self.folder / "tokens.csv"
        self.tokens.write_text(f"{token},person,person,system:masters\n")
        self.kubeconfig = self.folder / "kubeconfig"
        cluster = {"server": f"https://127.0.0.1:{PORTS['api']}", "certificate-authority": str(self.certificate)}
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "played",
            "clusters": [{"name": "played", "cluster": cluster}],
            "users": [{"name": "person", "user": {"token": token}}],
            "contexts": [{"name": "played", "context": {"cluster": "played", "user": "person"}}],
        }))
        self.api = Api(PORTS["api"], token, self.certificate)

    def _write_audit_policy(self):
        """Of every change that the person's clients ask for, who asked for what; never the content."""
        self.policy = self.folder / "audit-policy.json"
        changes = {"level": "Metadata", "users": ["person"], "verbs": ["create", "update", "patch", "delete", "deletecollection"]}
        self.policy.write_text(json.dumps({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [changes, {"level": "None"}],
        }))

    def _start(self):
        etcd = f"http://127.0.0.1:{PORTS['etcd']}"
        peer = f"http://127.0.0.1:{PORTS['etcd peer']}"
        self._run("etcd", data_dir=self.folder / "etcd", listen_client_urls=etcd, advertise_client_urls=etcd,
                  listen_peer_urls=peer, initial_advertise_peer_urls=peer, initial_cluster=f"default={peer}")
        self._run("kube-apiserver", etcd_servers=etcd, secure_port=PORTS["api"], bind_address="127.0.0.1",
                  tls_cert_file=self.certificate, tls_private_key_file=self.key, token_auth_file=self.tokens,
                  authorization_mode="RBAC", service_cluster_ip_range="10.96.0.0/16", endpoint_reconciler_type="none",
                  service_account_issuer="https://kubernetes.default.svc", service_account_key_file=self.certificate,
                  service_account_signing_key_file=self.key, audit_policy_file=self.policy, audit_log_path=self.log("audit"))
        self._wait("kube-apiserver", lambda: self.api.call("GET", "/readyz")[0] == 200)
        self._run("kube-controller-manager", kubeconfig=self.kubeconfig, leader_elect="false", secure_port=0,
                  service_account_private_key_file=self.key, root_ca_file=self.certificate, node_monitor_grace_period="24h",
                  horizontal_pod_autoscaler_sync_period="5s")
        self._run("kube-scheduler", kubeconfig=self.kubeconfig, leader_elect="false", secure_port=0)

    def _run(self, name, **flags):
        words = [f"--{flag.replace('_', '-')}={value}" for flag, value in flags.items()]
        with open(self.log(name), "wb") as log:
            self.children[name] = subprocess.Popen(
                [self.programs[name], *words], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=end_with_the_parent,
            )

    def _wait(self, name, ready):
        def asked():
            self.refuse_ended()
            return ready()
        until(f"{name}, log: {self.tail(name)}", asked, 180)

    def refuse_ended(self):
        for name, child in self.children.items():
            if child.poll() is not None:
                raise Ended(f"{name} ended (exit {child.returncode}): {self.tail(name)}")

    def tail(self, name):
        lines = self.log(name).read_text(errors="replace").splitlines() if self.log(name).exists() else []
        return "\n".join(lines[-5:])
