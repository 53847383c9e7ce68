package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A backup or a restore of another store than the embedded one is refused, and the error
// says what to do.
func TestOnlyTheEmbeddedStore(t *testing.T) {
	t.Parallel()
	const (
		host      = "run it on the machine of the server, with --data naming the server's directory"
		firestore = "a store in Firestore has `gcloud firestore "
	)
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"url":             {[]string{"--url", "https://gate.example.com"}, nil, host},
		"token":           {[]string{"--token", "t", "--data", "x"}, nil, host},
		"address":         {nil, map[string]string{"HEADGATE_URL": "https://gate.example.com"}, "$HEADGATE_URL names a deployment: "},
		"Firestore":       {[]string{"--store", "firestore"}, nil, firestore},
		"project":         {[]string{"--project", "p"}, nil, firestore},
		"database":        {[]string{"--database", "d"}, nil, firestore},
		"emulator":        {nil, map[string]string{"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}, "the environment chooses Firestore, which has `gcloud firestore "},
		"store":           {[]string{"--store", "paper"}, nil, `--store "paper": must be sqlite or firestore`},
		"configuration":   {[]string{"--config", "gate.json"}, nil, "only --data says where the store is"},
		"bus":             {[]string{"--bus", "local"}, nil, "only --data says where the store is"},
		"empty directory": {[]string{"--data", ""}, nil, "--data is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, command := range []string{"backup", "restore"} {
				status, stdout, stderr := headgate(t, c.env, append([]string{command, "x.db"}, c.args...)...)
				require.Equal(t, exitUsage, status)
				require.Empty(t, stdout)
				require.Contains(t, stderr, c.want)
				require.Contains(t, stderr, "\n  headgate "+command+" FILE [flags]\n")
			}
		})
	}
}

// A file or a store that does not exist is named, and nothing is made.
func TestNothingToBackUpOrRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	status, _, stderr := headgate(t, nil, "backup", filepath.Join(dir, "copy.db"), "--data", data)
	require.Equal(t, exitError, status)
	require.Equal(t, "headgate: the store was not backed up: there is no store in "+data+"\n", stderr)
	status, _, stderr = headgate(t, nil, "restore", filepath.Join(dir, "copy.db"), "--data", data)
	require.Equal(t, exitError, status)
	require.Contains(t, stderr, "headgate: the store was not restored: stat "+dir+"/copy.db: no such file")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, copied := filepath.Join(dir, "data"), filepath.Join(dir, "copy.db")
	env := map[string]string{"CONFIG": configOf(dir, "")}
	status, _, stderr := headgate(t, env, "sync", "apply", csvSync(t, dir, "good", false), "--data", data)
	require.Zero(t, status, stderr)
	env["HEADGATE_URL"] = "http://127.0.0.1:1" // the flag wins
	status, stdout, stderr := headgate(t, env, "backup", copied, "--data", data)
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "is backed up to "+copied)
	status, stdout, stderr = headgate(t, env, "restore", copied, "--data", data, "--store", "sqlite")
	require.Zero(t, status, stderr)
	require.Equal(t, 2, strings.Count(stdout, "\n"), stdout)
	require.Contains(t, stdout, "The former one is kept as ")
}
