# The image of a release: the binary that goreleaser has built, for each platform, in an
# empty image. The Dockerfile beside builds the same from the sources.

FROM --platform=$BUILDPLATFORM debian:trixie-slim AS files
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir /data

FROM scratch
ARG TARGETPLATFORM
COPY --from=files /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY $TARGETPLATFORM/godwit /godwit
COPY --from=files --chown=65532:65532 /data /data
USER 65532:65532
VOLUME /data
EXPOSE 8787 8788
ENTRYPOINT ["/godwit"]
CMD ["serve", "--data", "/data", "--listen", ":8787", "--binding-listen", ":8788"]
