# The API (the last stage, which is built if none is named), and the client as a VM to try it with (--target client).
# scripts/build-image.sh builds and tries it.
ARG SDK=mcr.microsoft.com/dotnet/sdk:10.0.401-noble
ARG ASPNET=mcr.microsoft.com/dotnet/aspnet:10.0.12-noble-chiseled
ARG RUNTIME=mcr.microsoft.com/dotnet/runtime:10.0.12-noble

# Compiles on the machine's own kind for any other.
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

# Not the client that VMs get, which is one native program: here the system is there anyway, for the hooks.
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
# For every kind of machine at once: the lock file knows them all, and would not fit one alone.
RUN dotnet restore Allocator.Api --locked-mode -p:PublishReadyToRun=true
COPY Allocator.Contracts/ Allocator.Contracts/
COPY Allocator.Api/ Allocator.Api/
ARG REVISION=
RUN dotnet publish Allocator.Api --no-restore --configuration Release --arch ${TARGETARCH} --self-contained false \
    -p:PublishReadyToRun=true -p:ContinuousIntegrationBuild=true -p:SourceRevisionId=${REVISION} --output /app

FROM ${ASPNET}
WORKDIR /app
COPY --from=build /app .
# Collecting often and little keeps a replica small: without it .NET takes as much as the processor has cache.
# Without diagnostics .NET writes nothing: the root file system can be read-only, and no folder for temporary files is needed.
# After SIGTERM it is no longer ready, and serves for five seconds more: checks every second, as of scripts/haproxy.cfg, take
# three to notice. infra/ sets what its load balancer needs.
ENV ASPNETCORE_HTTP_PORTS=8080 DOTNET_GCgen0size=0x400000 DOTNET_EnableDiagnostics=0 Health__Drain=00:00:05
EXPOSE 8080
USER 10001:10001
STOPSIGNAL SIGTERM
# For plain Docker; orchestrators ask /health/ready themselves. There is no shell in the image, and no curl.
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
