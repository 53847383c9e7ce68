package firestorestore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// emulatorVar names the emulator, for us as for the client.
const emulatorVar = "FIRESTORE_EMULATOR_HOST"

// flowWindow bounds the bytes that Firestore has sent and we have not read. Without a fixed bound,
// gRPC pings after nearly every answer to find one, which costs both sides a fifth of a small
// call. Answers are small, except bodies, of which the largest takes three round trips.
const flowWindow = 4 << 20

var dialOptions = []grpc.DialOption{
	grpc.WithStaticStreamWindowSize(flowWindow), grpc.WithStaticConnWindowSize(flowWindow),
	grpc.WithDisableRetry(), // the client retries, and gRPC would keep each call's request for it
	grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)),
}

// connect returns a client, whose Close closes its connection.
//
// The client dials an emulator by itself, without any options of ours, and keeps that connection
// open when it is given another one. So the emulator gets a connection of ours, with the options
// that Firestore's has, and connect closes the one that the client does not use.
func connect(ctx context.Context, o Options) (*firestore.Client, error) {
	database := o.Database
	if database == "" {
		database = firestore.DefaultDatabaseID
	}
	dialled, used := connectionSeenBy(option.ClientOption.Apply), connectionSeenBy(option.ClientOption.Apply)
	opts := []option.ClientOption{dialled, option.WithTelemetryDisabled()} // spans and metrics are ours; the client's go nowhere
	var ours *grpc.ClientConn
	if host := os.Getenv(emulatorVar); host == "" {
		for _, d := range dialOptions {
			opts = append(opts, option.WithGRPCDialOption(d))
		}
	} else if len(o.ClientOptions) == 0 {
		var err error
		if ours, err = dialEmulator(host); err != nil {
			return nil, fmt.Errorf("firestorestore: %s=%s: %w", emulatorVar, host, err)
		}
		opts = append(opts, option.WithGRPCConn(ours))
	}
	c, err := firestore.NewClientWithDatabase(ctx, o.Project, database, append(append(opts, o.ClientOptions...), used)...)
	if dialled.conn != nil && dialled.conn != used.conn {
		err = errors.Join(err, dialled.conn.Close())
	}
	if err != nil {
		if ours != nil {
			_ = ours.Close()
		}
		return nil, fmt.Errorf("firestorestore: %w", err)
	}
	return c, nil
}

func dialEmulator(host string) (*grpc.ClientConn, error) {
	host = strings.TrimPrefix(strings.TrimPrefix(host, "http://"), "https://")
	return grpc.NewClient("passthrough:///"+host, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(owner{}),
	}, dialOptions...)...)
}

// owner holds the credentials of the emulator's administrator, which rules do not bind.
type owner struct{}

func (owner) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer owner"}, nil
}

func (owner) RequireTransportSecurity() bool { return false }

// seen is a client option that changes nothing. It notes the connection that the options before
// it, the client's own among them, have set.
type seen[S any] struct{ conn *grpc.ClientConn }

// connectionSeenBy returns a seen. The type of an option's argument, S, has no name outside of
// the client's module, so it is inferred from the method that takes it.
func connectionSeenBy[S any](func(option.ClientOption, *S)) *seen[S] { return new(seen[S]) }

// Apply implements [option.ClientOption].
func (n *seen[S]) Apply(settings *S) {
	field := reflect.ValueOf(settings).Elem().FieldByName("GRPCConn")
	if !field.IsValid() {
		return
	}
	if c, ok := field.Interface().(*grpc.ClientConn); ok && c != nil {
		n.conn = c
	}
}
