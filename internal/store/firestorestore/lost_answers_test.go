package firestorestore

import (
	"context"
	"strings"
	"sync"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// lostAnswers lets the next commit of a service or scope succeed, and then tells the client
// that the connection broke. The client repeats the commit by itself, and its precondition
// fails because of its own success.
type lostAnswers struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (l *lostAnswers) next(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids == nil {
		l.ids = make(map[string]bool)
	}
	l.ids[id] = true
}

func (l *lostAnswers) take(req *firestorepb.CommitRequest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range req.GetWrites() {
		name := w.GetDelete()
		if w.GetUpdate() != nil {
			name = w.GetUpdate().GetName()
		}
		for id := range l.ids {
			if strings.Contains(name, "/"+colServices+"/"+id+"/") || strings.Contains(name, "/"+colEndpoints+"/"+id+":") ||
				strings.Contains(name, ":"+id+"/"+colDocs+"/") {
				delete(l.ids, id)
				return true
			}
		}
	}
	return false
}

func (l *lostAnswers) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	if commit, ok := req.(*firestorepb.CommitRequest); ok && err == nil && l.take(commit) {
		return status.Error(codes.Unavailable, "the connection broke")
	}
	return err
}
