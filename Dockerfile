# One image for every function: Cloud Run's --args say which (docs/deploy.md).
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=""
# No cgo: the embedded store is pure Go, so the binary needs nothing around it.
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /headgate .

# Certificates, time zones, a user without rights, and nothing else.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /headgate /headgate
COPY LICENSE /LICENSE
# With the embedded store, data go to ./data here: mount a volume that user 65532 may write.
# Outside Cloud Run it listens on the container's loopback: give it -addr=:8080, and "auth".
WORKDIR /home/nonroot
USER nonroot:nonroot
EXPOSE 8080
ENTRYPOINT ["/headgate"]
