// Package emulator gives tests the Firestore and Pub/Sub emulators of the Google Cloud SDK:
// those that the environment names, or one that a test starts for itself.
package emulator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	firestoreVar = "FIRESTORE_EMULATOR_HOST"
	pubsubVar    = "PUBSUB_EMULATOR_HOST"
	// requireVar makes tests fail that would be skipped for want of an emulator. CI sets it.
	requireVar = "HEADGATE_REQUIRE_EMULATORS"
)

// Firestore returns the address of the Firestore emulator, and a project that no other test
// uses. It skips the test if FIRESTORE_EMULATOR_HOST is not set.
func Firestore(t testing.TB) (host, project string) { return named(t, firestoreVar, "Firestore") }

// PubSub does the same for the Pub/Sub emulator and PUBSUB_EMULATOR_HOST.
func PubSub(t testing.TB) (host, project string) { return named(t, pubsubVar, "Pub/Sub") }

func named(t testing.TB, variable, name string) (host, project string) {
	t.Helper()
	host = os.Getenv(variable)
	if host == "" {
		Skip(t, "%s is not set: skipped the tests against the %s emulator", variable, name)
	}
	return host, Project()
}

// Skip skips the test, or fails it if HEADGATE_REQUIRE_EMULATORS is set.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(requireVar) != "" {
		t.Fatalf(requireVar+" is set, but "+format, args...)
	}
	t.Skipf(format, args...)
}

// Project returns a random project id.
func Project() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return "test-" + hex.EncodeToString(b[:])
}

// Process is an emulator that a test started for itself.
type Process struct {
	Host string // host:port

	t    testing.TB
	args []string
	cmd  *exec.Cmd
	log  string
}

// StartFirestore starts a Firestore emulator on a free port, with args added to its command
// line. The emulator is killed when the test ends.
func StartFirestore(t testing.TB, args ...string) *Process {
	t.Helper()
	jar := jar(t, "HEADGATE_FIRESTORE_JAR", "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
	return launch(t, append([]string{
		"-Xmx512m", "-cp", jar, "com.google.cloud.datastore.emulator.firestore.CloudFirestore",
	}, args...))
}

// StartPubSub does the same for a Pub/Sub emulator.
func StartPubSub(t testing.TB) *Process {
	t.Helper()
	jar := jar(t, "HEADGATE_PUBSUB_JAR", "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar")
	return launch(t, []string{"-Xmx256m", "-jar", jar})
}

// jar returns the path of an emulator's jar: the one that the variable names, or the SDK's.
func jar(t testing.TB, variable, pattern string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	root, err := exec.Command("gcloud", "info", "--format=value(installation.sdk_root)").Output()
	if err != nil {
		Skip(t, "there is no Google Cloud SDK: skipped a test that starts an emulator")
	}
	found, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), pattern))
	if len(found) == 0 {
		Skip(t, "the Google Cloud SDK has no %s: skipped a test that starts an emulator", pattern)
	}
	return found[0]
}

func launch(t testing.TB, args []string) *Process {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	p := &Process{
		Host: fmt.Sprintf("127.0.0.1:%d", port), t: t, log: filepath.Join(t.TempDir(), "emulator.log"),
		args: append(args, "--host=127.0.0.1", "--port="+strconv.Itoa(port)),
	}
	p.Start()
	t.Cleanup(p.Kill)
	return p
}

// Start starts the process, or restarts it on the same port, and waits until it answers.
func (p *Process) Start() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command("java", p.args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log // a file, because it logs a stack trace per failed precondition
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Host+"/", nil)
		resp, err := http.DefaultClient.Do(req)
		cancel()
		if err == nil {
			_ = resp.Body.Close()
			return
		}
	}
	out, _ := os.ReadFile(p.log)
	p.t.Fatalf("the emulator did not answer within a minute: %s", out[max(0, len(out)-2000):])
}

// Kill kills the emulator, if it runs.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// DialFirestore connects to a Firestore emulator with the caller's gRPC options, such as
// interceptors. The client ignores such options if FIRESTORE_EMULATOR_HOST is set, so a test
// has to pass it this connection.
func DialFirestore(host string, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient(host, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(owner{}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)),
	}, opts...)...)
}

// owner holds the credentials of the emulator's administrator.
type owner struct{}

func (owner) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer owner"}, nil
}

func (owner) RequireTransportSecurity() bool { return false }
