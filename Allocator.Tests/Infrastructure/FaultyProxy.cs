using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Allocator.Tests.Infrastructure;

/// <summary>A request and its reply.</summary>
internal sealed class Exchange(string method, string path, string? ifNoneMatch, string body)
{
    public string Method { get; } = method;

    public string Path { get; } = path;

    public string? IfNoneMatch { get; } = ifNoneMatch;

    public string Body { get; } = body;

    public int Status { get; set; }

    public string? ETag { get; set; }

    public string? Reply { get; set; }
}

/// <summary>A reverse proxy in front of the API that makes mistakes.</summary>
internal sealed class FaultyProxy : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _http;

    private FaultyProxy(WebApplication app, HttpClient http) => (_app, _http) = (app, http);

    public Uri Address =>
        new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    /// <summary>Gets or sets whether every connection is aborted.</summary>
    public bool IsDown { get; set; }

    /// <summary>Gets or sets a function that returns true if it has answered itself; the request is then not forwarded.</summary>
    public Func<Exchange, bool> Intercept { get; set; } = _ => false;

    /// <summary>Gets or sets an action that changes the API's reply.</summary>
    public Action<Exchange> Alter { get; set; } = _ => { };

    public static async Task<FaultyProxy> StartAsync(Uri target)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var proxy = new FaultyProxy(app, new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = target });
        app.Run(proxy.ForwardAsync);
        await app.StartAsync();
        return proxy;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _http.Dispose();
    }

    private async Task ForwardAsync(HttpContext context)
    {
        if (IsDown)
        {
            context.Abort();
            return;
        }
        var (request, response) = (context.Request, context.Response);
        using var reader = new StreamReader(request.Body);
        var exchange = new Exchange(request.Method, request.Path, request.Headers.IfNoneMatch, await reader.ReadToEndAsync());
        if (!Intercept(exchange))
        {
            using var forwarded = new HttpRequestMessage(new HttpMethod(request.Method), request.Path + request.QueryString);
            if (exchange.Body.Length > 0)
            {
                forwarded.Content = new StringContent(exchange.Body, MediaTypeHeaderValue.Parse(request.ContentType!));
            }
            foreach (var name in new[] { "Authorization", "X-Api-Key", "If-None-Match" })
            {
                if (request.Headers.TryGetValue(name, out var value))
                {
                    forwarded.Headers.TryAddWithoutValidation(name, (string?)value);
                }
            }
            using var reply = await _http.SendAsync(forwarded);
            (exchange.Status, exchange.ETag) = ((int)reply.StatusCode, reply.Headers.ETag?.ToString());
            exchange.Reply = await reply.Content.ReadAsStringAsync();
            response.ContentType = reply.Content.Headers.ContentType?.ToString();
            response.Headers.CacheControl = reply.Headers.CacheControl?.ToString();
            Alter(exchange);
        }
        else
        {
            (response.ContentType, response.Headers.CacheControl) = ("application/json", "private, max-age=1");
        }
        response.StatusCode = exchange.Status;
        response.Headers.ETag = exchange.ETag;
        if (exchange.Status is not (204 or 304))
        {
            await response.WriteAsync(exchange.Reply ?? "");
        }
    }
}
