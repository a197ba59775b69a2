using System.Globalization;
using System.Net;
using System.Security.Claims;
using System.Text;
using System.Text.Encodings.Web;
using Allocator.Api.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Security;

/// <summary>Authenticates admins by HTTP Basic, and their programs by <c>X-Api-Key</c>.</summary>
internal sealed class AdminAuthentication(
    Credentials credentials,
    SignInFailures failures,
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    private const string Basic = "Basic ";

    private TimeSpan? _retryAfter;

    private IPAddress? Address => Context.Connection.RemoteIpAddress;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var admin = Request.Headers["X-Api-Key"] is [{ Length: > 0 } key]
            ? OwnerOfApiKey(key)
            : await OwnerOfPasswordAsync();
        return admin is null
            ? AuthenticateResult.NoResult()
            : AuthenticateResult.Success(new AuthenticationTicket(
                new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, admin)], Callers.Admin)), Callers.Admin));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (_retryAfter is { } wait)
        {
            Response.Headers.RetryAfter = Math.Max(1, Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            return Problems.TooManySignIns.ExecuteAsync(Context);
        }
        Response.Headers.WWWAuthenticate = "Basic realm=\"Allocator\", charset=\"UTF-8\"";
        return Problems.NeedsAdmin.ExecuteAsync(Context);
    }

    private async Task<string?> OwnerOfPasswordAsync()
    {
        if (Request.Headers.Authorization is not [{ } header] || !header.StartsWith(Basic, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }
        var encoded = header.AsSpan(Basic.Length).Trim();
        var decoded = new byte[encoded.Length];
        if (!Convert.TryFromBase64Chars(encoded, decoded, out var length))
        {
            return null;
        }
        var pair = Encoding.UTF8.GetString(decoded, 0, length);
        var colon = pair.IndexOf(':', StringComparison.Ordinal);
        if (colon < 1)
        {
            return null;
        }
        var name = pair[..colon];
        var signIn = await credentials.CheckPasswordAsync(name, pair[(colon + 1)..], Address, Context.RequestAborted);
        if (signIn.IsRight)
        {
            return name;
        }
        _retryAfter = signIn.RetryAfter;
        // Any other name may be a password in the wrong field.
        failures.Add(credentials.IsAdmin(name) ? name : null, Address, isRefused: _retryAfter is not null);
        return null;
    }

    private string? OwnerOfApiKey(string key)
    {
        var owner = credentials.OwnerOfApiKey(key, Address);
        if (owner is null)
        {
            failures.Add(null, Address, isRefused: false);
        }
        return owner;
    }
}
