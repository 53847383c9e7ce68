package firestorestore

import (
	"context"
	"fmt"
	"math"
	"os"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
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

// connect returns a client. The client dials an emulator by itself, without these options.
func connect(ctx context.Context, o Options) (*firestore.Client, error) {
	database := o.Database
	if database == "" {
		database = firestore.DefaultDatabaseID
	}
	ours := []option.ClientOption{option.WithTelemetryDisabled()} // spans and metrics are ours; the client's go nowhere
	if os.Getenv(emulatorVar) == "" {
		for _, d := range dialOptions {
			ours = append(ours, option.WithGRPCDialOption(d))
		}
	}
	c, err := firestore.NewClientWithDatabase(ctx, o.Project, database, append(ours, o.ClientOptions...)...)
	if err != nil {
		return nil, fmt.Errorf("firestorestore: %w", err)
	}
	return c, nil
}
