// Package launch builds the App of a deployment: it reads the settings, chooses the
// drivers and opens them. The binary and the Cloud Functions entry point share it, so
// that both interpret the same settings in the same way. If a driver cannot be opened,
// nothing stays open, and the error says what the operator can do.
package launch

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/platform/telemetry"
)

// Settings state where a process runs and which drivers it uses. They come from flags and
// the environment; flags win.
type Settings struct {
	// Base is the URL at which this process is reached, as far as it knows.
	Base string

	Addr       string // host:port
	ConfigFile string // "" means CONFIG, CONFIG_FILE or the example
	Function   string // "" means all functions
	Store      string // sqlite, firestore
	Bus        string // local, pubsub
	Data       string // directory of the embedded store
	Project    string // Google Cloud project; "": see FindProject
	Database   string // Firestore database; "" means (default)
	Memory     int64  // bytes that this process may use; 0: unknown

	Platform          hosting.Platform // where the process runs; the zero value is Cloud Run
	FirestoreEmulator bool
	PubSubEmulator    bool

	// Program is the command that a person types to start Headgate, for advice; ""
	// means headgate.
	Program string

	// Version is the program's. Exported telemetry has it.
	Version string

	// Telemetry selects the signals that a process that serves exports.
	Telemetry telemetry.Choice

	// Serves is true for a process that serves requests, and false for a command that
	// uses the store for a moment.
	Serves bool
	// Examines is true for a command that examines a deployment. It opens the drivers as a
	// process that serves does, but makes no store and no topic, and no missing credential
	// stops it.
	Examines bool
	// Reads is true for a command that changes nothing. It opens the embedded store for
	// reading, and creates no topic.
	Reads bool

	firestoreHost, pubsubHost string // of the emulators
	storeGiven, busGiven      bool   // a flag chose the driver
	projectGiven              bool   // a flag names the project
	telemetryFault            error  // of the variables that choose Telemetry
	cloudVariable             string // the variable that names a project or credentials, or ""
}

// cloudVariables show that the user means Google Cloud. The first three name a project.
var cloudVariables = [...]string{"GOOGLE_CLOUD_PROJECT", "PROJECT_ID", "projectID", "GOOGLE_APPLICATION_CREDENTIALS"}

// noted is a flag that records that it was given.
type noted struct {
	value *string
	given *bool
}

func (n noted) String() string {
	return *n.value
}

func (noted) Type() string { return "string" }

func (n noted) Set(v string) error {
	*n.value, *n.given = v, true
	return nil
}

// Names of the drivers.
const (
	SQLite    = "sqlite"
	Firestore = "firestore"
	Local     = "local"
	PubSub    = "pubsub"
)

// FromEnv returns the settings of the environment.
func FromEnv(getenv func(string) string) Settings {
	s := Settings{
		Addr: "127.0.0.1:8080", Store: SQLite, Bus: Local, Data: "./data",
		Database:      getenv("FIRESTORE_DATABASE"),
		Platform:      hosting.Machine,
		firestoreHost: getenv("FIRESTORE_EMULATOR_HOST"),
		pubsubHost:    getenv("PUBSUB_EMULATOR_HOST"),
	}
	if getenv("K_SERVICE") != "" {
		s.Platform = hosting.CloudRun
	}
	s.FirestoreEmulator, s.PubSubEmulator = s.firestoreHost != "", s.pubsubHost != ""
	if s.Platform.Proxied() {
		s.Addr = ":8080"
	}
	if port := getenv("PORT"); port != "" { // set by a platform or an image, to be reached from outside
		s.Addr = ":" + port
	}
	if s.Platform.GoogleCloud() || s.FirestoreEmulator {
		s.Store = Firestore
	}
	if s.Platform.GoogleCloud() || s.PubSubEmulator {
		s.Bus = PubSub
	}
	s.Memory = memoryLimit(getenv)
	s.Telemetry, s.telemetryFault = telemetry.FromEnv(getenv)
	for i, name := range cloudVariables {
		v := getenv(name)
		if v == "" {
			continue
		}
		s.cloudVariable = name
		if i < 3 {
			s.Project = v
		}
		break
	}
	return s
}

// Flags declares a flag for each setting of a process that serves, with s as the defaults.
func (s *Settings) Flags(fs *pflag.FlagSet, functions []string) {
	fs.StringVar(&s.Addr, "addr", s.Addr, "listen on this `HOST:PORT`")
	fs.StringVar(&s.Function, "function", s.Function, fmt.Sprintf("serve only this `FUNCTION`: %s (default all)", strings.Join(functions, ", ")))
	s.StoreFlags(fs)
}

// StoreFlags declares the flags that a command needs to find the data.
func (s *Settings) StoreFlags(fs *pflag.FlagSet) {
	fs.StringVar(&s.ConfigFile, "config", s.ConfigFile, "read the configuration from this `FILE` (else $CONFIG, the JSON itself, or $CONFIG_FILE)")
	fs.Var(noted{&s.Store, &s.storeGiven}, "store", "keep everything in this `STORE`: sqlite or firestore")
	fs.Var(noted{&s.Bus, &s.busGiven}, "bus", "send messages over this `BUS`: local or pubsub")
	s.DataFlag(fs)
	fs.Var(noted{&s.Project, &s.projectGiven}, "project", "use this Google Cloud `PROJECT` (else $GOOGLE_CLOUD_PROJECT, $PROJECT_ID, $projectID, the metadata server)")
	fs.StringVar(&s.Database, "database", s.Database, "use this Firestore `DATABASE` (else $FIRESTORE_DATABASE, or (default))")
}

// DataFlag declares the flag for the directory of the embedded store.
func (s *Settings) DataFlag(fs *pflag.FlagSet) {
	fs.StringVar(&s.Data, "data", s.Data, "the `DIRECTORY` of the embedded store")
}

// Check returns an error that lists every setting that is not valid.
func (s Settings) Check() error {
	var errs []error
	if s.Serves { // a command exports nothing
		errs = append(errs, s.telemetryFault)
	}
	if !slices.Contains([]string{SQLite, Firestore}, s.Store) {
		errs = append(errs, fmt.Errorf("--store %q: must be sqlite or firestore", s.Store))
	}
	if !slices.Contains([]string{Local, PubSub}, s.Bus) {
		errs = append(errs, fmt.Errorf("--bus %q: must be local or pubsub", s.Bus))
	}
	return errors.Join(errs...)
}

// LoadConfig reads the configuration that the settings name. example reports whether it
// is the built-in one, which is used if none is given outside of a cloud.
func (s Settings) LoadConfig(getenv func(string) string) (cfg *config.Config, example bool, err error) {
	data, from := []byte(getenv("CONFIG")), "$CONFIG"
	file := s.ConfigFile
	if file == "" && len(data) == 0 {
		file = getenv("CONFIG_FILE")
	}
	switch {
	case file != "":
		from = file
		if data, err = os.ReadFile(file); err != nil {
			return nil, false, fmt.Errorf("read the configuration: %w", err)
		}
	case len(data) > 0:
	case s.Platform.GoogleCloud():
		return nil, false, errors.New("there is no configuration: set CONFIG (the JSON itself) or CONFIG_FILE")
	default:
		data, from, example = config.Example(), "the example", true
	}
	if cfg, err = config.Parse(data, s.CheckSyncs); err != nil {
		return nil, false, fmt.Errorf("the configuration (%s) is not valid:\n%w", from, err)
	}
	cfg.ApplyEnv(getenv)
	return cfg, example, nil
}
