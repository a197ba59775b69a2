# The API (the last stage, which is the default), and the client as a VM for tests (--target client).
# scripts/build-image.sh builds and tests both.
ARG SDK=mcr.microsoft.com/dotnet/sdk:10.0.401-noble
ARG ASPNET=mcr.microsoft.com/dotnet/aspnet:10.0.12-noble-chiseled
ARG RUNTIME=mcr.microsoft.com/dotnet/runtime:10.0.12-noble

# Compiles on the build machine's architecture for any other.
FROM --platform=$BUILDPLATFORM ${SDK} AS source
WORKDIR /source
COPY global.json Directory.Build.props Directory.Build.targets Directory.Packages.props .editorconfig BannedSymbols.txt appsettings.json ./
COPY Allocator.Contracts/Allocator.Contracts.csproj Allocator.Contracts/packages.lock.json Allocator.Contracts/

FROM source AS client-build
COPY Allocator.Polling/Allocator.Polling.csproj Allocator.Polling/packages.lock.json Allocator.Polling/
COPY Allocator.Client/Allocator.Client.csproj Allocator.Client/packages.lock.json Allocator.Client/
RUN dotnet restore Allocator.Client --locked-mode
COPY Allocator.Contracts/ Allocator.Contracts/
COPY Allocator.Polling/ Allocator.Polling/
COPY Allocator.Client/ Allocator.Client/
RUN dotnet publish Allocator.Client --no-restore --configuration Release -p:UseAppHost=false --output /client

# This is not the client of real VMs, which is one native program: the hooks need a whole system here anyway.
FROM ${RUNTIME} AS client
WORKDIR /app
COPY --from=client-build /client .
RUN install -d -o 10001 -g 10001 -m 700 /var/lib/allocator
ENV DOTNET_EnableDiagnostics=0 \
    ALLOCATOR_Hooks__Assigned__0=/app/hooks/write-down.sh ALLOCATOR_Hooks__Assigned__1=/var/lib/allocator/hooks.jsonl \
    ALLOCATOR_Hooks__Released__0=/app/hooks/write-down.sh ALLOCATOR_Hooks__Released__1=/var/lib/allocator/hooks.jsonl
VOLUME /var/lib/allocator
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["dotnet", "/app/allocator.dll"]
CMD ["run"]

FROM source AS build
ARG TARGETARCH
COPY Allocator.Api/Allocator.Api.csproj Allocator.Api/packages.lock.json Allocator.Api/
# For all architectures at once: the lock file contains them all and does not match a single one.
RUN dotnet restore Allocator.Api --locked-mode -p:PublishReadyToRun=true
COPY Allocator.Contracts/ Allocator.Contracts/
COPY Allocator.Api/ Allocator.Api/
ARG REVISION=
RUN dotnet publish Allocator.Api --no-restore --configuration Release --arch ${TARGETARCH} --self-contained false \
    -p:PublishReadyToRun=true -p:ContinuousIntegrationBuild=true -p:SourceRevisionId=${REVISION} --output /app

FROM ${ASPNET}
WORKDIR /app
COPY --from=build /app .
# Small, frequent garbage collections keep a replica small: by default .NET uses as much memory as the processor's cache.
# Without diagnostics .NET writes no files, so the root file system can be read-only, without a folder for temporary files.
# After SIGTERM a replica reports that it is not ready and serves for five more seconds: the checks of scripts/haproxy.cfg,
# one per second, take three to notice. infra/ sets the value for its load balancer.
ENV ASPNETCORE_HTTP_PORTS=8080 DOTNET_GCgen0size=0x400000 DOTNET_EnableDiagnostics=0 Health__Drain=00:00:05
EXPOSE 8080
USER 10001:10001
STOPSIGNAL SIGTERM
# For plain Docker; orchestrators request /health/ready themselves. The image has no shell and no curl.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/app/Allocator.Api", "health"]
ENTRYPOINT ["/app/Allocator.Api"]
ARG VERSION=
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.title="Allocator" \
    org.opencontainers.image.description="Hands workshop VMs to people" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.source="${SOURCE}"
