package firestorestore

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// emulatorVar names the emulator, for us as for the client.
const emulatorVar = "FIRESTORE_EMULATOR_HOST"

// flowWindow is what Firestore may send before we have read it. With a window of a fixed size
// gRPC does not measure the connection. It would do that with a ping after nearly every answer,
// which costs both sides as much as a fifth of a small call. All answers are small, except
// bodies that are read, and with this window a body of the largest size takes three round trips.
const flowWindow = 4 << 20

var dialOptions = []grpc.DialOption{
	grpc.WithStaticStreamWindowSize(flowWindow), grpc.WithStaticConnWindowSize(flowWindow),
	grpc.WithDisableRetry(), // the client retries, and gRPC would keep each call's request for it
	grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)),
}

// connect returns a client. The one for an emulator gets a connection of ours, because the
// client dials an emulator without the options that it is given. (It still does, and the
// connection that it then does not use stays idle.)
func connect(ctx context.Context, o Options) (*firestore.Client, error) {
	database := o.Database
	if database == "" {
		database = firestore.DefaultDatabaseID
	}
	var ours []option.ClientOption
	if host := os.Getenv(emulatorVar); host == "" {
		for _, d := range dialOptions {
			ours = append(ours, option.WithGRPCDialOption(d))
		}
	} else if len(o.ClientOptions) == 0 {
		conn, err := dialEmulator(host)
		if err != nil {
			return nil, fmt.Errorf("firestorestore: %s=%s: %w", emulatorVar, host, err)
		}
		ours = append(ours, option.WithGRPCConn(conn))
	}
	c, err := firestore.NewClientWithDatabase(ctx, o.Project, database, append(ours, o.ClientOptions...)...)
	if err != nil {
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
