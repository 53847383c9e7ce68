package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// someID matches the ids of events and messages; these and times differ from run to run.
var (
	someID = regexp.MustCompile(`[0-9a-f]{32,}`)
	aTime  = regexp.MustCompile(`\b(in )?\d+(s|m|h\d\dm)( ago)?\b|\bnow\b`)
	spaces = regexp.MustCompile(` {2,}`)
)

func steady(out string) string {
	out = aTime.ReplaceAllString(someID.ReplaceAllString(out, "ID"), "WHEN")
	return spaces.ReplaceAllString(out, "  ")
}

const twoServices = `{"services":[
	{"serviceName":"orders","trigger":{"type":"window","observationPeriod":600},"endpoints":[{"eventKey":"order"},{"eventKey":"payment"}],
		"targetPubSub":{"topic":"projects/p/topics/orders"}},
	{"serviceName":"a/b","trigger":{"type":"window","observationPeriod":600},"endpoints":[{"eventKey":"x","acceptedHttpMethods":["POST"]}, {"eventKey":"y"}],
		"targetPubSub":{"topic":"projects/p/topics/abc"}}]%s}`

// The commands send events, show the gate and operate it, at a URL and through the server
// of a store.
func TestGateCommandsAtEveryPlace(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]func(base, data string, env map[string]string) []string{
		"url":          func(base, _ string, _ map[string]string) []string { return []string{"--url", base} },
		"variable":     func(base, _ string, env map[string]string) []string { env["HEADGATE_URL"] = base + "/"; return nil },
		"served store": func(_, data string, _ map[string]string) []string { return []string{"--data", data} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			env := map[string]string{"CONFIG": fmt.Sprintf(twoServices, "")}
			base, _ := serving(t, env, "--data", data)
			flags := place(base, data, env)
			do := func(want int, args ...string) (stdout, stderr string) {
				t.Helper()
				status, stdout, stderr := headgate(t, env, append(args, flags...)...)
				require.Equal(t, want, status, "%q: %s%s", args, stdout, stderr)
				return stdout, stderr
			}
			file := filepath.Join(t.TempDir(), "event")
			require.NoError(t, os.WriteFile(file, []byte("from a file"), 0o600))

			out, _ := do(0, "status")
			require.Equal(t, "orders: waits for order 0 of 1, payment 0 of 1\n\nendpoint  events\norder  0 of 1\npayment  0 of 1\n\nno message yet\n", steady(out))
			_, errs := do(0, "messages")
			require.Equal(t, "no messages\n", errs)

			out, errs = do(0, "send", "order", "-d", "@"+file, "--name", "n1")
			require.Equal(t, "event ID: stored\n", steady(out))
			require.Empty(t, errs)
			out, _ = do(0, "send", "order", "-d", "@"+file, "--name", "n1")
			require.Equal(t, "event ID: stored before, counts once\n", steady(out))
			out, _ = do(0, "status")
			require.Equal(t, "orders: waits for payment 0 of 1\n\nendpoint  events  first  last  oldest leaves  duplicate\n"+
				"order  1 of 1  WHEN  WHEN  WHEN  1\npayment  0 of 1  -  -  -  -\n\nno message yet\n", steady(out))
			out, _ = do(0, "send", "payment", "-d", "-5", "-H", "X-Kind: a: b")
			require.Equal(t, "event ID: stored\nmessage ID: published\n", steady(out))

			settled(t, env, flags...)
			out, _ = do(0, "messages", "--state", "published", "--limit", "5")
			require.Equal(t, "event id  state  claimed  events\nID  published  WHEN  2\n", steady(out))
			id := someID.FindString(out)
			out, _ = do(0, "replay", id)
			require.Equal(t, "message "+id+": published again\n", out)
			out, _ = do(0, "messages", "-o", "json")
			var list struct {
				Messages []struct{ EventID, ClaimID string }
			}
			require.NoError(t, json.Unmarshal([]byte(out), &list))
			require.Equal(t, id, list.Messages[0].EventID)
			require.NotEmpty(t, list.Messages[0].ClaimID, "JSON has what the table leaves out")

			out, _ = do(0, "trigger", "--service", "orders")
			require.Equal(t, "the window is empty: nothing to publish\n", out)
			do(0, "send", "payment", "-d", "x")
			out, _ = do(0, "reset", "--service", "orders", "--endpoint", "order")
			require.Equal(t, "0 events taken out\n", out)
			out, _ = do(0, "reset", "--service", "orders")
			require.Equal(t, "1 event taken out\n", out)
			do(0, "send", "x", "--service", "a/b", "-d", "x")
			out, _ = do(0, "trigger", "--service", "a/b")
			require.Equal(t, "message ID: published, 1 event\n", steady(out))
			_, errs = do(0, "messages", "--limit", "1")
			require.Empty(t, errs, "a full page that is the last")
			do(0, "send", "payment", "-d", "y")
			do(0, "trigger", "--service", "orders")
			_, errs = do(0, "messages", "--limit", "1")
			require.Equal(t, "there may be more: raise --limit\n", errs)

			for want, args := range map[string][]string{
				`no service "none": the services are ["orders" "a/b"]`:   {"status", "--service", "none"},
				`no endpoint "none": the endpoints are`:                  {"send", "none", "-d", "x"},
				`no endpoint "x": the endpoints are`:                     {"reset", "--service", "orders", "--endpoint", "x"},
				`limit must be an integer from 1 to 1000`:                {"messages", "--limit", "0"},
				`this service has one window, which "headgate status"`:   {"windows"},
				`state must be open or closing`:                          {"windows", "--state", "ajar"},
				`no message`:                                             {"replay", strings.Repeat("0", 32)},
				"open " + filepath.Join(data, "none") + ": no such file": {"send", "order", "-d", "@" + filepath.Join(data, "none")},
			} {
				out, errs = do(1, args...)
				require.Empty(t, out)
				require.Contains(t, errs, "headgate: ")
				require.Contains(t, errs, want)
			}

			complete := func(args ...string) string {
				// The last word is the one to complete.
				out, _, _ := strings.Cut(completion(t, env, flags, args...), ":4\n")
				return out
			}
			require.Equal(t, "order\t0 of 1\npayment\t0 of 1\n", complete("send", ""))
			require.Equal(t, "x\t0 of 1\ny\t0 of 1\n", complete("reset", "--service", "a/b", "--endpoint", ""))
			require.Contains(t, complete("replay", ""), id+"\tpublished ")
			require.Empty(t, complete("send", "--service", "none", ""))
		})
	}
}

// settled waits until the store says of no message that it waits to be published: a server
// answers before it has recorded that.
func settled(t *testing.T, env map[string]string, flags ...string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, stdout, _ := headgate(t, env, append([]string{"messages", "--state", "claimed"}, flags...)...)
		return stdout == ""
	}, time.Minute, time.Millisecond)
}

// completion returns what the shell offers for the last word.
func completion(t *testing.T, env map[string]string, flags []string, args ...string) string {
	t.Helper()
	words := append([]string{"__complete", args[0]}, flags...)
	status, out, _ := headgate(t, env, append(words, args[1:]...)...)
	require.Zero(t, status)
	return out
}

// A service with correlation has windows of keys.
func TestGateCommandsByKey(t *testing.T) {
	t.Parallel()
	cfg := `{"serviceName":"s","correlation":{"key":"event.body.order"},"trigger":{"type":"window","window":"session","observationPeriod":900,"release":"complete","onClose":"partial"},
		"endpoints":[{"eventKey":"order"},{"eventKey":"payment"}],"targetPubSub":{"topic":"projects/p/topics/sss"}}`
	env := map[string]string{"CONFIG": cfg}
	base, _ := serving(t, env, "--data", filepath.Join(t.TempDir(), "data"))
	do := func(args ...string) string {
		t.Helper()
		status, stdout, stderr := headgate(t, env, append(args, "--url", base)...)
		require.Zero(t, status, "%q: %s", args, stderr)
		return steady(stdout)
	}
	for _, key := range []string{"o1", "o2"} {
		require.Equal(t, "event ID: stored\n", do("send", "order", "-d", `{"order":"`+key+`"}`, "-H", "Content-Type: application/json"))
	}
	require.Equal(t, "key  state  opened  closes  events  missing\no2  open  WHEN  WHEN  order 1 of 1, payment 0 of 1  payment 0 of 1\n", do("windows", "--key", "o2", "--state", "open"))
	require.Contains(t, do("status", "--key", "o1"), "waits for payment 0 of 1")
	require.Equal(t, "1 event taken out\n", do("reset", "--key", "o2"))
	require.Equal(t, "message ID: published, 1 event\n", do("trigger", "--key", "o1"))
	settled(t, env, "--url", base)
	require.Contains(t, do("messages", "--key", "o1"), "event id  state  claimed  events  key  completion  missing\nID  published  WHEN  1  o1  manual  payment 0 of 1\n")
}

// An event can come from standard input.
func TestSendStandardInput(t *testing.T) {
	t.Parallel()
	var got, kind string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		got, kind = r.Method+" "+r.URL.EscapedPath()+" "+b.String(), strings.Join(r.Header["X-Kind"], "|")
		fmt.Fprint(w, `{"id":"e1"}`)
	}))
	t.Cleanup(s.Close)
	var out, errs bytes.Buffer
	require.Zero(t, Main(t.Context(), Process{
		Args:   []string{"send", "a/b c", "--url", s.URL, "--service", "..", "-H", "x-kind: one", "-H", "X-Kind:two"},
		Getenv: noEnv, Stdin: strings.NewReader("typed"), Stdout: &out, Stderr: &errs,
	}), errs.String())
	require.Equal(t, "event e1: stored\n", out.String())
	require.Equal(t, "POST /services/%2E%2E/event/a/b%20c typed", got)
	require.Equal(t, "one|two", kind)
}

// With "auth", the commands need a token.
func TestGateCommandsNeedTheToken(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer s3cret" {
			fmt.Fprint(w, `{}`)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"detail":"no such token"}`)
	}))
	t.Cleanup(s.Close)
	for _, args := range [][]string{{"status"}, {"windows"}, {"messages"}, {"events"}, {"trigger"}, {"reset"}, {"replay", "x"}, {"send", "a"}} {
		status, stdout, stderr := headgate(t, nil, append(args, "--url", s.URL)...)
		require.Equal(t, exitError, status)
		require.Empty(t, stdout)
		require.Equal(t, "headgate: "+s.URL+" asks for a token: set HEADGATE_TOKEN, or give --token\n", stderr)
		status, _, stderr = headgate(t, nil, append(args, "--url", s.URL, "--token", "guess")...)
		require.Equal(t, exitError, status)
		require.Equal(t, "headgate: "+s.URL+" does not accept the token: no such token\n", stderr)
		status, _, stderr = headgate(t, map[string]string{"HEADGATE_TOKEN": "s3cret"}, append(args, "--url", s.URL)...)
		require.Zero(t, status, stderr)
	}
}

// Where no server runs, the commands say what to start, and make no store.
func TestGateCommandsWithoutServer(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	for _, args := range [][]string{{"status"}, {"windows"}, {"messages"}, {"trigger"}, {"reset"}, {"replay", "x"}, {"send", "a"}} {
		status, stdout, stderr := headgate(t, nil, append(args, "--data", data)...)
		require.Equal(t, exitError, status)
		require.Empty(t, stdout)
		require.Equal(t, fmt.Sprintf("headgate: no server has the store in %[1]s open: start one with `headgate serve --data %[1]s`, or give --url\n", data), stderr)
		require.NoDirExists(t, data)
	}
	require.Equal(t, ":4\n", completion(t, nil, []string{"--data", data}, "send", ""), "the shell hears nothing")
	status, _, stderr := headgate(t, map[string]string{"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}, "status")
	require.Equal(t, exitError, status, stderr)

	serving(t, map[string]string{"CONFIG": fmt.Sprintf(twoServices, "")}, "--data", data, "--function", "ingest")
	status, _, stderr = headgate(t, nil, "status", "--data", data)
	require.Equal(t, exitError, status)
	require.Contains(t, stderr, "open, but does not serve status: start it without --function, or give --url\n")
}

// A terminal obeys nothing that a server says.
func TestHostileAnswersAreShown(t *testing.T) {
	t.Parallel()
	evil := "\x1b]0;owned\x07\u009b31m\u202egnp\x7f\r\U000e0041"
	quoted, err := json.Marshal(evil)
	require.NoError(t, err)
	raw := bytes.ReplaceAll(quoted, []byte(`\u007f`), []byte("\x7f"))
	answer := strings.ReplaceAll(`{"serviceName":§,"id":§,"eventKey":§,"dropped":§,"triggered":§,"eventID":§,"missing":[{"eventKey":§}],"endpoints":[{"eventKey":§}],
		"lastMessage":{"eventID":§,"state":§},"warnings":[§],"outbox":{"warning":§},"messages":[{"eventID":§,"state":§,"lastError":§,"missing":[{"eventKey":§}]}],
		"windows":[{"correlationKey":§,"state":§,"endpoints":[{"eventKey":§}]}]}`, "§", string(raw))
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprint(w, strings.Replace(answer, "{", `{"detail":`+string(raw)+",", 1))
	}))
	t.Cleanup(s.Close)
	clean := func(text string) {
		t.Helper()
		require.Regexp(t, `^[\x20-\x7e\n]*$`, text)
	}
	all := [][]string{{"status"}, {"windows"}, {"messages"}, {"trigger"}, {"reset"}, {"replay", "x"}, {"send", "a"}}
	for _, args := range all {
		for _, form := range []string{"table", "json"} {
			code, stdout, stderr := headgate(t, nil, append(args, "--url", s.URL, "-o", form)...)
			require.Zero(t, code, stderr)
			clean(stdout + stderr)
			if form == "json" {
				var got struct{ ServiceName string }
				require.NoError(t, json.Unmarshal([]byte(stdout), &got))
				require.Equal(t, evil, got.ServiceName, "the value is the same")
			}
		}
	}
	require.Equal(t, ":4\n", completion(t, nil, []string{"--url", s.URL}, "send", ""))
	require.Equal(t, ":4\n", completion(t, nil, []string{"--url", s.URL}, "replay", ""))
	status = http.StatusConflict
	for _, args := range all {
		code, stdout, stderr := headgate(t, nil, append(args, "--url", s.URL)...)
		require.Equal(t, exitError, code)
		require.Empty(t, stdout)
		clean(stderr)
	}
}

func TestUsageOfGateCommands(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"reset: --endpoint is empty":                      {"reset", "--endpoint", ""},
		"trigger: --key is empty":                         {"trigger", "--key="},
		"status: --service is empty":                      {"status", "--service", ""},
		`status: --output must be table or json`:          {"status", "-o", "xml"},
		"send: send needs an ENDPOINT":                    {"send"},
		"replay: replay needs an EVENTID":                 {"replay"},
		`send: "../reset" is not the name of an endpoint`: {"send", "../reset"},
		`send: "" is not the name of an endpoint`:         {"send", ""},
		"send: --header must be like 'Name: value'":       {"send", "a", "-H", "no"},
		"send: --header must be like 'Name: value',":      {"send", "a", "-H", "X: a\x00b"},
		"send: --header cannot set host":                  {"send", "a", "-H", "host: x"},
		"send: --name must be a line of text":             {"send", "a", "--name", ""},
	} {
		command, want, _ := strings.Cut(want, ": ")
		status, stdout, stderr := headgate(t, nil, append(args, "--url", "http://127.0.0.1:1")...)
		require.Equal(t, exitUsage, status, "%q: %s", args, stderr)
		require.Empty(t, stdout)
		require.True(t, strings.HasPrefix(stderr, "headgate: "+want), stderr)
		require.Contains(t, stderr, "\n  headgate "+command)
	}
}

// An event goes to the endpoint that the feed's routes choose.
func TestSendToAFeed(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	env := map[string]string{"CONFIG": `{"serviceName":"orders","trigger":{"type":"window","observationPeriod":600},
		"endpoints":[{"eventKey":"order"},{"eventKey":"payment"}],"targetPubSub":{"topic":"projects/p/topics/orders"},
		"feeds":[{"name":"files","routes":[{"when":"event.text == 'paid'","eventKey":"payment"}],"otherwise":"drop"}]}`}
	serving(t, env, "--data", data)
	do := func(want int, args ...string) string {
		t.Helper()
		status, stdout, stderr := headgate(t, env, append(args, "--data", data)...)
		require.Equal(t, want, status, "%q: %s%s", args, stdout, stderr)
		return steady(stdout + stderr)
	}
	require.Equal(t, "event ID: stored\n", do(0, "send", "files", "--feed", "-d", "paid"))
	require.Equal(t, "not stored: no route of the feed takes it\n", do(0, "send", "files", "--feed", "-d", "sent"))
	require.Contains(t, do(0, "status"), "waits for order 0 of 1\n")
	require.Contains(t, do(1, "send", "none", "--feed", "-d", "x"), `no feed "none": the feeds are ["files"]`)
	require.Contains(t, do(2, "send", "a/../b", "--feed", "-d", "x"), "is not the name of a feed")
	offered, _, _ := strings.Cut(completion(t, env, []string{"--data", data}, "send", "--feed", ""), ":4\n")
	require.Equal(t, "files\n", offered)
}
