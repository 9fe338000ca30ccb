package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// echoService answers with what it gets, and sets a trailer at the end.
type echoService struct {
	pb.UnimplementedTestServiceServer
	calls chan metadata.MD // of each call that arrived
	open  atomic.Int64     // streams
}

func (s *echoService) UnaryCall(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.calls <- md
	if err := grpc.SetTrailer(ctx, metadata.Pairs("x-sum", "1", "x-bin", "\x00\xff")); err != nil {
		return nil, err
	}
	if code := r.GetResponseStatus().GetCode(); code != 0 {
		return nil, status.Error(codes.Code(code), r.GetResponseStatus().GetMessage())
	}
	return &pb.SimpleResponse{Payload: r.GetPayload()}, nil
}

func (s *echoService) FullDuplexCall(stream grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	s.open.Add(1)
	defer s.open.Add(-1)
	md, _ := metadata.FromIncomingContext(stream.Context())
	s.calls <- md
	stream.SetTrailer(metadata.Pairs("x-sum", "2"))
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: r.GetPayload()}); err != nil {
			return err
		}
	}
}

// startGRPC runs the service at 5003, and returns a client of it through Caddy.
func startGRPC(t *testing.T) (*proxied, *echoService, pb.TestServiceClient) {
	t.Helper()
	p := startProxied(t, http.NotFoundHandler())
	service := &echoService{calls: make(chan metadata.MD, 100)}
	server := grpc.NewServer()
	pb.RegisterTestServiceServer(server, service)
	go server.Serve(p.listen(t, p.ports.free["5003"]))
	t.Cleanup(server.Stop)
	connection, err := grpc.NewClient(p.url("localhost:5001"), grpc.WithTransportCredentials(credentials.NewTLS(p.tlsConfig())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return p, service, pb.NewTestServiceClient(connection)
}

// as adds metadata to a call.
func as(ctx context.Context, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

func checkCaller(t *testing.T, md metadata.MD) {
	t.Helper()
	if id := md.Get("x-client-id"); !slices.Equal(id, []string{"orders-worker"}) || md.Get("x_client_id") != nil || md.Get("authorization") != nil {
		t.Errorf("metadata %v", md)
	}
}

// gRPC over HTTP/2: answers and trailers arrive as the service sent them.
func TestGRPCIsProxied(t *testing.T) {
	p, service, client := startGRPC(t)
	token := "Bearer " + p.good
	for reason, row := range map[string]struct {
		authorization string
		code          codes.Code
	}{
		"no_token":      {"", codes.Unauthenticated},
		"bad_signature": {token + "A", codes.Unauthenticated},
		"missing_scope": {"Bearer " + p.lacking, codes.PermissionDenied},
	} {
		t.Run(reason, func(t *testing.T) {
			ctx := bounded(t)
			if row.authorization != "" {
				ctx = as(ctx, "authorization", row.authorization)
			}
			if _, err := client.UnaryCall(ctx, &pb.SimpleRequest{}); status.Code(err) != row.code {
				t.Errorf("unary: %v, want %v", err, row.code)
			}
			stream, err := client.FullDuplexCall(ctx)
			if err == nil {
				_, err = stream.Recv()
			}
			if status.Code(err) != row.code {
				t.Errorf("stream: %v, want %v", err, row.code)
			}
			if line := p.refusalAt("/grpc.testing.TestService/UnaryCall"); p.accepted.Load() > 0 || line == nil {
				t.Errorf("%d connections to the upstream", p.accepted.Load())
			}
		})
	}
	forged := []string{"authorization", token, "x-client-id", "admin", "x_client_id", "admin"}
	t.Run("unary", func(t *testing.T) {
		var trailer metadata.MD
		got, err := client.UnaryCall(as(bounded(t), forged...), &pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("hello")}}, grpc.Trailer(&trailer))
		if err != nil || string(got.GetPayload().GetBody()) != "hello" {
			t.Fatalf("%v, %v", got, err)
		}
		if !slices.Equal(trailer.Get("x-sum"), []string{"1"}) || !slices.Equal(trailer.Get("x-bin"), []string{"\x00\xff"}) {
			t.Errorf("trailer %v", trailer)
		}
		checkCaller(t, <-service.calls)
	})
	t.Run("the service's own error", func(t *testing.T) {
		var trailer metadata.MD
		r := &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: int32(codes.Aborted), Message: "of ünusual kind"}}
		_, err := client.UnaryCall(as(bounded(t), forged...), r, grpc.Trailer(&trailer))
		if s := status.Convert(err); s.Code() != codes.Aborted || s.Message() != "of ünusual kind" || !slices.Equal(trailer.Get("x-sum"), []string{"1"}) {
			t.Errorf("%v, trailer %v", err, trailer)
		}
		checkCaller(t, <-service.calls)
	})
	t.Run("both ways", func(t *testing.T) {
		stream, err := client.FullDuplexCall(as(bounded(t), forged...))
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range []string{"one", "two", "three"} { // each only after the answer to the last
			if err := stream.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: []byte(message)}}); err != nil {
				t.Fatal(err)
			}
			if got, err := stream.Recv(); err != nil || string(got.GetPayload().GetBody()) != message {
				t.Fatalf("%v, %v", got, err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) || !slices.Equal(stream.Trailer().Get("x-sum"), []string{"2"}) {
			t.Errorf("%v, trailer %v", err, stream.Trailer())
		}
		checkCaller(t, <-service.calls)
	})
}
