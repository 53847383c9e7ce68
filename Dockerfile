# One image for every function: Cloud Run's --args say which (docs/deploy.md).
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=""
# No cgo: the embedded store is pure Go, so the binary needs nothing around it.
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /headgate . && mkdir /data

# Certificates, time zones, a user without rights, and nothing else.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /headgate /headgate
COPY LICENSE /LICENSE
# With the embedded store, data go to ./data here: a new volume that is mounted there
# belongs to the user that may write it.
COPY --from=build --chown=65532:65532 /data /home/nonroot/data
# PORT: listen there on all addresses, for loopback ends at the container. Cloud Run sets
# it, too. Every program that reaches the port may operate Headgate unless "auth" is set.
ENV PORT=8080
WORKDIR /home/nonroot
USER nonroot:nonroot
EXPOSE 8080
ENTRYPOINT ["/headgate"]
