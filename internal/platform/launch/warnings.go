package launch

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

const (
	// emulatorWait is the time that an emulator has until it must listen. After that a
	// warning names it. A script often starts the emulator a moment before Headgate.
	emulatorWait = 3 * time.Second
	dialTimeout  = time.Second
	dialPause    = 100 * time.Millisecond
)

// warning tells the operator about a setup that works, but perhaps not as intended. Its
// text has no names of the deployment, because /readyz shows it to everybody; those are
// in attrs.
type warning struct {
	text  string
	attrs []any // for the log only
}

// tell logs the warnings and returns their texts.
func tell(log *slog.Logger, warnings []warning) []string {
	var texts []string
	for _, w := range warnings {
		log.Warn(w.text, w.attrs...)
		texts = append(texts, w.text)
	}
	return texts
}

// unchosen warns of local drivers that are in use by default although a project or
// credentials show that the user means Google Cloud.
func (s Settings) unchosen() (found []warning) {
	given := s.cloudVariable
	if s.projectGiven {
		given = "--project"
	}
	if s.Platform.GoogleCloud() || given == "" {
		return nil
	}
	if s.Store == SQLite && !s.storeGiven {
		found = append(found, warning{"a Google Cloud project or credentials are set, but everything is stored in an SQLite file, because no store was chosen: " +
			"choose --store firestore or --store sqlite", []any{"given", given, "data", s.Data}})
	}
	if s.Bus == Local && !s.busGiven {
		found = append(found, warning{"a Google Cloud project or credentials are set, but messages stay in this process and do not reach Pub/Sub, because no bus was chosen: " +
			"choose --bus pubsub or --bus local", []any{"given", given}})
	}
	return found
}

// aloneWithClients warns of live clients that get only the changes of their own instance.
func aloneWithClients(s Settings, cfg *config.Config) []warning {
	if s.Serves && s.servesLive() && s.Store == Firestore && !signalsLeave(s, cfg) {
		return []warning{{`live clients get only the changes that are made through their own instance: if there are several instances, set "live.topic" and --bus pubsub`, nil}}
	}
	return nil
}

// signalsLeave reports whether other instances are told of the changes of this one.
func signalsLeave(s Settings, cfg *config.Config) bool {
	return s.Bus == PubSub && liveTopic(s, cfg) != ""
}

func (s Settings) servesLive() bool { return s.Function == "" || s.Function == "live" }

// serveAlone marks the embedded store as served by this process. It warns if another
// process serves it already: the two share the stored data, but nothing in memory, such as
// the bus.
func serveAlone(s Settings, cfg *config.Config, st *sqlitestore.Store) ([]warning, error) {
	if !s.Serves {
		return nil, nil
	}
	other, err := st.Serve(s.introduction())
	if err != nil || other == "" || signalsLeave(s, cfg) {
		return nil, err
	}
	return []warning{{"another process serves this data directory, too: both use the same stored data, but messages of the in-process bus " +
		"stay in their own process: stop one of the two, or give it its own directory with --data", []any{"other", other, "data", s.Data}}}, nil
}

// silentEmulators warns of emulators that do not answer. They may start later: the
// clients keep trying.
func silentEmulators(ctx context.Context, s Settings) (found []warning) {
	type emulator struct{ variable, host string }
	var asked []emulator
	if s.Store == Firestore && s.firestoreHost != "" {
		asked = append(asked, emulator{"FIRESTORE_EMULATOR_HOST", s.firestoreHost})
	}
	if s.Bus == PubSub && s.pubsubHost != "" {
		asked = append(asked, emulator{"PUBSUB_EMULATOR_HOST", s.pubsubHost})
	}
	errs := make([]error, len(asked))
	var wg sync.WaitGroup
	for i, e := range asked {
		wg.Go(func() { errs[i] = answers(ctx, e.host) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			found = append(found, warning{"the emulator that " + asked[i].variable + " names does not answer: start it, or unset the variable",
				[]any{"host", asked[i].host, "error", err}})
		}
	}
	return found
}

// answers waits until the address accepts connections.
func answers(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, emulatorWait)
	defer cancel()
	dialer := net.Dialer{Timeout: dialTimeout}
	for {
		conn, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(host, "http://"))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(dialPause):
		}
	}
}
