package launch

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/hosting"
)

func texts(warnings []warning) string {
	var b strings.Builder
	for _, w := range warnings {
		b.WriteString(w.text + "\n")
	}
	return b.String()
}

// If a project or credentials are given, but a local driver is used by default, a warning
// says which one and which flag changes it.
func TestDriversByDefault(t *testing.T) {
	t.Parallel()
	type env = map[string]string
	for name, c := range map[string]struct {
		env        env
		args       []string
		store, bus bool // there is a warning
	}{
		"a laptop":                 {nil, nil, false, false},
		"EventSync's variable":     {env{"projectID": "p"}, nil, true, true},
		"GOOGLE_CLOUD_PROJECT":     {env{"GOOGLE_CLOUD_PROJECT": "p"}, nil, true, true},
		"credentials":              {env{"GOOGLE_APPLICATION_CREDENTIALS": "/key.json"}, nil, true, true},
		"--project":                {nil, []string{"--project", "p"}, true, true},
		"both chosen":              {env{"projectID": "p"}, []string{"--store", "sqlite", "--bus", "local"}, false, false},
		"the cloud chosen":         {env{"projectID": "p"}, []string{"--store=firestore", "--bus=pubsub"}, false, false},
		"the store chosen":         {env{"projectID": "p"}, []string{"--store", "firestore"}, false, true},
		"the bus chosen":           {env{"projectID": "p"}, []string{"--bus", "local"}, true, false},
		"both emulators":           {env{"projectID": "p", "FIRESTORE_EMULATOR_HOST": "h:1", "PUBSUB_EMULATOR_HOST": "h:2"}, nil, false, false},
		"Firestore's emulator":     {env{"projectID": "p", "FIRESTORE_EMULATOR_HOST": "h:1"}, nil, false, true},
		"Cloud Run":                {env{"projectID": "p", "K_SERVICE": "gate"}, nil, false, false},
		"an emulator, no project":  {env{"FIRESTORE_EMULATOR_HOST": "h:1"}, nil, false, false},
		"a function, credentials":  {env{"FUNCTION_TARGET": "headgate", "GOOGLE_APPLICATION_CREDENTIALS": "/key.json"}, nil, true, true},
		"Cloud Run, with its keys": {env{"K_SERVICE": "gate", "GOOGLE_APPLICATION_CREDENTIALS": "/key.json"}, nil, false, false},
	} {
		got := texts(settingsOf(t, c.env, c.args...).unchosen())
		require.Equal(t, c.store, strings.Contains(got, "--store firestore"), "%s: %s", name, got)
		require.Equal(t, c.bus, strings.Contains(got, "--bus pubsub"), "%s: %s", name, got)
	}
}

func TestLiveClientsOfOneInstanceAmongSeveral(t *testing.T) {
	t.Parallel()
	topic := &config.Config{Deployment: config.Deployment{Live: &config.Live{Topic: "projects/p/topics/live"}}}
	for name, c := range map[string]struct {
		s    Settings
		cfg  *config.Config
		want bool
	}{
		"no topic":               {Settings{Platform: hosting.Machine, Serves: true, Store: Firestore, Bus: PubSub}, &config.Config{}, true},
		"a topic":                {Settings{Platform: hosting.Machine, Serves: true, Store: Firestore, Bus: PubSub}, topic, false},
		"a topic, no bus for it": {Settings{Platform: hosting.Machine, Serves: true, Store: Firestore, Bus: Local}, topic, true},
		"live alone":             {Settings{Platform: hosting.Machine, Serves: true, Store: Firestore, Bus: PubSub, Function: "live"}, &config.Config{}, true},
		"another function":       {Settings{Platform: hosting.Machine, Serves: true, Store: Firestore, Bus: PubSub, Function: "ingest"}, &config.Config{}, false},
		"an embedded store":      {Settings{Platform: hosting.Machine, Serves: true, Store: SQLite, Bus: Local}, &config.Config{}, false},
		"a command":              {Settings{Platform: hosting.Machine, Store: Firestore, Bus: PubSub}, &config.Config{}, false},
		"the emulator's topic":   {Settings{Platform: hosting.Machine, Serves: true, Store: Firestore, Bus: PubSub, PubSubEmulator: true, Project: "p"}, &config.Config{}, false},
	} {
		require.Equal(t, c.want, len(aloneWithClients(c.s, c.cfg)) > 0, name)
	}
}

func TestSilentEmulators(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	there, away := l.Addr().String(), gone.Addr().String()

	s := settingsOf(t, map[string]string{"FIRESTORE_EMULATOR_HOST": there, "PUBSUB_EMULATOR_HOST": "http://" + there})
	require.Empty(t, silentEmulators(t.Context(), s))
	s = settingsOf(t, map[string]string{"FIRESTORE_EMULATOR_HOST": away, "PUBSUB_EMULATOR_HOST": away}, "--store", "sqlite", "--bus", "local")
	require.Empty(t, silentEmulators(t.Context(), s), "neither emulator is in use")
	s = settingsOf(t, map[string]string{"FIRESTORE_EMULATOR_HOST": away, "PUBSUB_EMULATOR_HOST": "no-port"})
	var log bytes.Buffer
	tell(slog.New(slog.NewTextHandler(&log, nil)), silentEmulators(t.Context(), s))
	require.Contains(t, log.String(), "level=WARN")
	require.Contains(t, log.String(), "FIRESTORE_EMULATOR_HOST names does not answer")
	require.Contains(t, log.String(), "host="+away)
	require.Contains(t, log.String(), "PUBSUB_EMULATOR_HOST names does not answer")
}

// An emulator that starts a moment later causes no warning.
func TestEmulatorThatIsStartedNow(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	s := settingsOf(t, map[string]string{"FIRESTORE_EMULATOR_HOST": addr})
	late := make(chan net.Listener, 1)
	time.AfterFunc(300*time.Millisecond, func() {
		l, _ := net.Listen("tcp", addr) // nil if another process took the port
		late <- l
	})
	found := silentEmulators(t.Context(), s)
	if l := <-late; l != nil {
		defer l.Close()
		require.Empty(t, texts(found))
	}
}
