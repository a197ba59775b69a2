# syntax=docker/dockerfile:1
FROM ubuntu:26.04 AS build
RUN apt-get update && apt-get install -y --no-install-recommends dotnet-sdk-10.0 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY global.json Directory.Build.props Directory.Packages.props .editorconfig BannedSymbols.txt appsettings.json ./
COPY Allocator.Contracts/Allocator.Contracts.csproj Allocator.Contracts/
COPY Allocator.Api/Allocator.Api.csproj Allocator.Api/
RUN dotnet restore Allocator.Api --use-current-runtime -p:PublishReadyToRun=true
COPY Allocator.Contracts/ Allocator.Contracts/
COPY Allocator.Api/ Allocator.Api/
RUN dotnet publish Allocator.Api --no-restore --configuration Release --use-current-runtime --self-contained false -p:PublishReadyToRun=true --output /app

FROM ubuntu:26.04
RUN apt-get update && apt-get install -y --no-install-recommends aspnetcore-runtime-10.0 && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home --uid 10001 allocator
WORKDIR /app
COPY --from=build /app .
# Collecting often and little keeps a replica small: without it .NET takes as much as the processor has cache.
ENV ASPNETCORE_HTTP_PORTS=8080 DOTNET_GCgen0size=0x400000
EXPOSE 8080
USER 10001
ENTRYPOINT ["/app/Allocator.Api"]
