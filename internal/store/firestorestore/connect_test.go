package firestorestore

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/headgate/headgate/internal/emulator"
)

// After Close no connection is left, not even the one that the client dials to an emulator
// before it is given another. The server implements nothing, so that Writable fails, but only
// after a call.
func TestCloseLeavesNoConnection(t *testing.T) { // not parallel: it sets the environment, and counts goroutines
	for name, options := range map[string]func(*testing.T, string) []option.ClientOption{
		"of the store": func(*testing.T, string) []option.ClientOption { return nil },
		"of the caller": func(t *testing.T, host string) []option.ClientOption {
			conn, err := emulator.DialFirestore(host)
			require.NoError(t, err)
			return []option.ClientOption{option.WithGRPCConn(conn)}
		},
		"of the client": func(*testing.T, string) []option.ClientOption {
			return []option.ClientOption{option.WithUserAgent("test")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			server := grpc.NewServer()
			served := make(chan error, 1)
			go func() { served <- server.Serve(l) }()
			t.Setenv(emulatorVar, l.Addr().String())

			s, err := Open(t.Context(), Options{Project: "test", ClientOptions: options(t, l.Addr().String())})
			require.NoError(t, err)
			require.Error(t, s.Writable(t.Context()))
			require.NoError(t, s.Close())
			server.GracefulStop() // returns when the clients have ended their connections
			require.NoError(t, <-served)
			goleak.VerifyNone(t, before)
		})
	}
}
