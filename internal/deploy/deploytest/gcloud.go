package deploytest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// State lists everything that the stand-in has made, with the flags.
type State struct {
	Things  map[string]map[string]string // "pubsub topics/sync": the flags of its create, updates and deploys
	Values  map[string][]string          // the versions of secrets
	Grants  []string                     // "pubsub topics/sync MEMBER ROLE", each once
	Created []string                     // each thing and version, as often as it was made
}

// Gcloud is a stand-in for gcloud. It is strict: a command or flag that the facts lack fails,
// and so does one about a thing that does not exist, or exists already.
type Gcloud struct {
	State
	// Deployed is called for each run deploy, and returns the address of the service. nil: the
	// address has the form of Cloud Run's.
	Deployed func(Call) (string, error)

	facts Facts
	urls  map[string]string
}

// NewGcloud returns a stand-in that has made nothing.
func NewGcloud(t testing.TB) *Gcloud {
	facts, err := ReadFacts()
	require.NoError(t, err)
	return &Gcloud{State: State{Things: map[string]map[string]string{}, Values: map[string][]string{}}, facts: facts, urls: map[string]string{}}
}

// prelude makes gcloud a function of bash that asks the test.
const prelude = `gcloud() {
  local status
  printf '%s\0' "$#" "$@" >&3
  IFS= read -r status <&4
  cat "$GCLOUD_ANSWER.err" >&2
  cat "$GCLOUD_ANSWER"
  return "$status"
}
`

// Bash runs a script with bash, where gcloud is the stand-in. It returns what the script says.
func (g *Gcloud) Bash(t testing.TB, script string, env []string, args ...string) (output string, err error) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	dir := t.TempDir()
	start := filepath.Join(dir, "prelude.sh")
	require.NoError(t, os.WriteFile(start, []byte(prelude), 0o600))
	asked, ask, err := os.Pipe()
	require.NoError(t, err)
	answers, answer, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), bash, append([]string{script}, args...)...)
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "TMPDIR="+dir, "BASH_ENV="+start, "GCLOUD_ANSWER="+filepath.Join(dir, "answer"))
	cmd.ExtraFiles = []*os.File{ask, answers}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	require.NoError(t, ask.Close())
	require.NoError(t, answers.Close())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _, _ = asked.Close(), answer.Close() }() // also where a test fails in Deployed
		g.answer(t, asked, answer, filepath.Join(dir, "answer"))
	}()
	err = cmd.Wait()
	<-done // bash has closed its end
	return out.String(), err
}

// answer carries out what a script asks for, until it ends.
func (g *Gcloud) answer(t testing.TB, asked io.Reader, answer io.Writer, file string) {
	in := bufio.NewReader(asked)
	word := func() string {
		text, _ := in.ReadString(0)
		return strings.TrimSuffix(text, "\x00")
	}
	for {
		n, err := strconv.Atoi(word())
		if err != nil {
			return // the end
		}
		var words []string
		for range n {
			words = append(words, word())
		}
		var out strings.Builder
		status, wrong := 0, ""
		call, err := g.facts.Parse(words)
		if err != nil {
			t.Errorf("%s", err) // also where the script does not look
		} else {
			err = g.do(call, &out)
		}
		if err != nil {
			status, wrong = 1, "ERROR: "+err.Error()+"\n"
		}
		if err := errors.Join(os.WriteFile(file, []byte(out.String()), 0o600), os.WriteFile(file+".err", []byte(wrong), 0o600)); err != nil {
			t.Errorf("%s", err)
		}
		if _, err := fmt.Fprintln(answer, status); err != nil {
			t.Errorf("%s", err)
			return
		}
	}
}

// verbs are the words that end a command's name.
var verbs = []string{"create", "create http", "update", "update http", "describe", "deploy", "add-iam-policy-binding", "enable", "list"}

// do carries out a call.
func (g *Gcloud) do(c Call, out io.Writer) error {
	switch c.Command {
	case "services enable", "firestore indexes fields update", "firestore fields ttls update":
		return nil
	case "projects describe":
		_, err := fmt.Fprintln(out, "123456789")
		return err
	case "auth print-identity-token":
		_, err := fmt.Fprintln(out, "a-token")
		return err
	case "storage service-agent":
		_, err := fmt.Fprintln(out, "service-123456789@gs-project-accounts.iam.gserviceaccount.com")
		return err
	case "secrets versions add", "secrets versions access", "secrets versions describe":
		return g.version(c, out)
	}
	if strings.Contains(c.Command, "monitoring ") || strings.HasPrefix(c.Command, "logging ") {
		return g.monitoring(c, out)
	}
	things, verb := c.Command, ""
	for _, v := range verbs {
		if before, ok := strings.CutSuffix(things, " "+v); ok {
			things, verb = before, v
		}
	}
	name := c.Flags["--database"]
	if len(c.Arguments) > 0 {
		name = c.Arguments[0]
	}
	if verb == "deploy" {
		things = "run services"
	}
	if things == "iam service-accounts" {
		name, _, _ = strings.Cut(name, "@")
	}
	key := things + "/" + name
	return g.change(c, key, verb, out)
}

func (g *Gcloud) change(c Call, key, verb string, out io.Writer) error {
	_, exists := g.Things[key]
	verb, _, _ = strings.Cut(verb, " ")
	switch verb {
	case "create":
		if exists {
			return fmt.Errorf("%s exists already", key)
		}
		g.Created = append(g.Created, key)
	case "deploy":
		if !exists {
			g.Created = append(g.Created, key)
		}
	case "update", "describe":
		if !exists {
			return fmt.Errorf("%s does not exist", key)
		}
	case "add-iam-policy-binding":
		ours := c.Flags["--project"] == "" && !slices.Contains([]string{"projects", "storage buckets", "run jobs"}, strings.Split(key, "/")[0])
		if ours && !exists {
			return fmt.Errorf("%s does not exist", key)
		}
		if grant := key + " " + c.Flags["--member"] + " " + c.Flags["--role"]; !slices.Contains(g.Grants, grant) {
			g.Grants = append(g.Grants, grant)
		}
		return nil
	default:
		return fmt.Errorf("gcloud %s: the stand-in has no such verb", c.Command)
	}
	if verb == "describe" {
		if strings.HasPrefix(key, "run services/") {
			_, err := fmt.Fprintln(out, g.urls[key])
			return err
		}
		return nil
	}
	if err := g.refers(c); err != nil {
		return err
	}
	if g.Things[key] == nil {
		g.Things[key] = map[string]string{}
	}
	maps.Copy(g.Things[key], c.Flags)
	if verb != "deploy" {
		return nil
	}
	_, name, _ := strings.Cut(key, "/")
	g.urls[key] = "https://" + name + "-123456789." + c.Flags["--region"] + ".run.app"
	if g.Deployed == nil {
		return nil
	}
	var err error
	if g.urls[key], err = g.Deployed(c); err == nil && c.Flags["--format"] != "" {
		_, err = fmt.Fprintln(out, g.urls[key])
	}
	return err
}

// refers returns an error if a flag names a thing that was not made.
func (g *Gcloud) refers(c Call) error {
	for flag, things := range map[string]string{
		"--topic": "pubsub topics/", "--dead-letter-topic": "pubsub topics/", "--destination-run-service": "run services/",
		"--service-account": "iam service-accounts/", "--push-auth-service-account": "iam service-accounts/", "--oidc-service-account-email": "iam service-accounts/",
	} {
		name, given := c.Flags[flag]
		if strings.HasSuffix(name, "-compute@developer.gserviceaccount.com") {
			continue // every project has this account
		}
		name, _, _ = strings.Cut(name, "@")
		if _, exists := g.Things[things+name]; given && !exists && !strings.HasPrefix(name, "projects/") {
			return fmt.Errorf("gcloud %s: %s of %s does not exist", c.Command, name, flag)
		}
	}
	return nil
}

func (g *Gcloud) version(c Call, out io.Writer) error {
	name := c.Flags["--secret"]
	if c.Command == "secrets versions add" {
		name = c.Arguments[0]
		if g.Things["secrets/"+name] == nil {
			return fmt.Errorf("the secret %s does not exist", name)
		}
		value, err := os.ReadFile(c.Flags["--data-file"])
		if err != nil {
			return err
		}
		g.Values[name] = append(g.Values[name], string(value))
		g.Created = append(g.Created, fmt.Sprintf("secrets/%s/versions/%d", name, len(g.Values[name])))
		return nil
	}
	n := len(g.Values[name])
	if n == 0 {
		return fmt.Errorf("the secret %s has no version", name)
	}
	if c.Command == "secrets versions access" {
		_, err := io.WriteString(out, g.Values[name][n-1])
		return err
	}
	_, err := fmt.Fprintf(out, "projects/123456789/secrets/%s/versions/%d\n", name, n)
	return err
}
