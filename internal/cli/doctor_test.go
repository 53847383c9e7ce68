package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/doctor"
)

// examined returns the report of headgate doctor by the codes of its findings.
func examined(t *testing.T, env map[string]string, args ...string) (status int, byCode map[string][]doctor.Finding) {
	t.Helper()
	status, out, errs := headgate(t, env, append([]string{"doctor", "--json"}, args...)...)
	var r doctor.Report
	require.NoError(t, json.Unmarshal([]byte(out), &r), "%s%s", out, errs)
	require.NotContains(t, out+errs, "c4n4ry")
	require.Equal(t, r.State == doctor.Error, status == exitError)
	byCode = make(map[string][]doctor.Finding)
	for _, f := range r.Findings {
		byCode[f.Code] = append(byCode[f.Code], f)
	}
	return status, byCode
}

// A laptop without a store is examined and gets none.
func TestDoctorMakesNoStore(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	status, found := examined(t, nil, "--data", data)
	require.Zero(t, status)
	require.Equal(t, doctor.NotChecked, found["store.missing"][0].State)
	require.Empty(t, found["store.writable"])
	require.NoDirExists(t, data)
}

// The store of a laptop, its server, and the deployment at a URL are examined alike.
func TestDoctorAtEveryPlace(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	base, _ := serving(t, nil, "--data", data)
	require.Eventually(t, func() bool { // the first sweep follows the start
		_, found := examined(t, nil, "--url", base)
		return len(found["sweep.recent"]) > 0
	}, time.Minute, 10*time.Millisecond)
	for _, args := range [][]string{{"--data", data}, {"--url", base}} {
		status, found := examined(t, nil, args...)
		require.Zero(t, status)
		require.Equal(t, doctor.OK, found["store.writable"][0].State)
		require.Equal(t, doctor.OK, found["sweep.recent"][0].State)
		require.Len(t, found["endpoint.silent"], 2)
	}
	status, out, _ := headgate(t, nil, "doctor", "--url", base)
	require.Zero(t, status)
	require.Contains(t, out, "warning  the endpoint \"entry1\" of service")
	require.Contains(t, out, "see whether its source calls /event/entry1")
	require.Contains(t, out, "ok       the store takes writes: ")
	require.Contains(t, out, "\n0 errors, 2 warnings, ")
}

// A deployment with tokens is examined by who may operate it.
func TestDoctorWithTokens(t *testing.T) {
	t.Parallel()
	hash := func(token string) string {
		sum := sha256.Sum256([]byte(token))
		return hex.EncodeToString(sum[:])
	}
	env := map[string]string{"CONFIG": fmt.Sprintf(`{"serviceName": "s", "trigger": {"type": "none", "observationPeriod": 60}, "endpoints": [{"eventKey": "a"}], "targetPubSub": {"topic": "projects/p-1/topics/sync"},
		"auth": {"tokens": [{"name": "o", "sha256": %q, "roles": ["operate"]}, {"name": "r", "sha256": %q, "roles": ["read"]}]}}`, hash("c4n4ry-operate"), hash("c4n4ry-read"))}
	base, _ := serving(t, env, "--data", filepath.Join(t.TempDir(), "data"))
	status, _ := examined(t, map[string]string{"HEADGATE_TOKEN": "c4n4ry-operate"}, "--url", base)
	require.Zero(t, status)
	status, out, errs := headgate(t, map[string]string{"HEADGATE_TOKEN": "c4n4ry-read"}, "doctor", "--url", base)
	require.Equal(t, exitError, status)
	require.Empty(t, out)
	require.Contains(t, errs, "does not allow this caller")
	require.NotContains(t, errs, "c4n4ry")
}

// What another server answers is not taken for good news.
func TestDoctorOfAnotherServer(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"{}", "null", `{"state": "ok"}`, `{"state": "fine", "findings": [{"code": "a", "state": "ok", "text": "b"}]}`, "[]", "<html>"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
		t.Cleanup(server.Close)
		status, out, errs := headgate(t, nil, "doctor", "--url", server.URL)
		require.Equal(t, exitError, status, answer)
		require.Empty(t, out, answer)
		require.NotEmpty(t, errs, answer)
	}
}

// A secret that is not set here stops no examination, and neither does a store that cannot be
// opened: both are findings.
func TestDoctorReportsWhatStopsAStart(t *testing.T) {
	t.Parallel()
	env := map[string]string{"CONFIG": `{"echo": {"secrets": ["env:DOCTOR_ECHO_SECRET"]}, "hooks": [{"name": "h", "verify": {"type": "bearer", "secrets": ["env:DOCTOR_HOOK_SECRET"]}, "entity": "'a'", "id": "'b'", "signal": true}]}`}
	dir := t.TempDir()
	_, found := examined(t, env, "--data", filepath.Join(dir, "data"))
	require.Len(t, found["secret.unset"], 2)
	require.Contains(t, found["secret.unset"][0].Text, "DOCTOR_ECHO_SECRET is not set here ($.echo.secrets[0])")
	require.Equal(t, "export DOCTOR_ECHO_SECRET=…", found["secret.unset"][0].Fix)

	damaged := filepath.Join(dir, "damaged")
	require.NoError(t, os.Mkdir(damaged, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(damaged, "headgate.db"), []byte("no database at all, and longer than a header"), 0o600))
	status, found := examined(t, env, "--data", damaged)
	require.Equal(t, exitError, status)
	require.Equal(t, "headgate restore FILE --data "+damaged, found["start.failed"][0].Fix)

	status, out, errs := headgate(t, map[string]string{"CONFIG": `{"nonsense": 1}`}, "doctor")
	require.Equal(t, exitError, status)
	require.Contains(t, out, "ERROR    the deployment cannot be opened here: ")
	require.Empty(t, errs)
}

// Each command can be typed as it is where the address was given as a flag.
func TestDoctorKnowsTheAddressThatWasGiven(t *testing.T) {
	t.Parallel()
	r := doctor.Report{Findings: []doctor.Finding{{Fix: `headgate replay m1 --url "` + doctor.Address + `"`}, {Fix: `curl -X POST "` + doctor.Address + `/sweep"`}, {Fix: `curl -X POST "$HEADGATE_URL/sweep"`}}}
	withAddress(&r, "")
	require.Equal(t, `curl -X POST "`+doctor.Address+`/sweep"`, r.Findings[1].Fix)
	withAddress(&r, "https://gate.example.com/")
	require.Equal(t, `headgate replay m1 --url "https://gate.example.com"`, r.Findings[0].Fix)
	require.Equal(t, `curl -X POST "https://gate.example.com/sweep"`, r.Findings[1].Fix)
	require.Equal(t, r.Findings[1].Fix, r.Findings[2].Fix, "that of an earlier release")
}
