using System.Security.Claims;
using System.Text.Encodings.Web;
using Allocator.Api.Security;
using Allocator.Api.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Fleet;

/// <summary>
/// Authenticates a VM by its own token, and only for its own host name, from the fleet. The database is queried only for
/// a VM or a token that is unknown here, since another replica may have just created it.
/// </summary>
internal sealed class VmAuthentication(
    VmFleet fleet,
    ReadThrough readThrough,
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder,
    RefusalLog refusals) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    private IResult _refusal = Problems.NeedsVmToken;

    /// <summary>Returns the VM that made this request. The policy <see cref="Callers.Vm"/> guarantees that there is one.</summary>
    public static FleetVm Caller(HttpContext context) => context.Features.GetRequiredFeature<FleetVm>();

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var token = VmToken.FromHeader(Request.Headers.Authorization).Text.ToString();
        if (token.Length == 0)
        {
            return Refuse(Problems.NeedsVmToken);
        }
        if (!Hostname.TryParse(Request.RouteValues["hostname"] as string, out var hostname))
        {
            return Refuse(Problems.MalformedHostname);
        }
        try
        {
            var tokenIsFor = VmToken.Parse(token).Hostname.ToString();
            if (tokenIsFor != hostname)
            {
                return Refuse(Hostname.TryParse(tokenIsFor, out _) && (await FindAsync(tokenIsFor, token)).Known
                    ? Problems.TokenOfAnotherVm(hostname)
                    : Problems.WrongVmToken);
            }
            var (vm, known) = await FindAsync(hostname, token);
            if (!known)
            {
                return Refuse(vm is null ? Problems.UnknownVm(hostname) : Problems.WrongVmToken);
            }
            if (vm!.View.IsDeleted)
            {
                return Refuse(Problems.VmDeleted(hostname));
            }
            Context.Features.Set(vm);
        }
        catch (Exception e) when (Outage.IsTransient(e))
        {
            // The VM may have just enrolled through another replica, so its token must not be called wrong.
            return Refuse(Problems.TryAgain());
        }
        var identity = new ClaimsIdentity([new Claim(ClaimTypes.Name, $"{hostname}")], Callers.Vm);
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Callers.Vm));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (_refusal is IStatusCodeHttpResult { StatusCode: StatusCodes.Status401Unauthorized })
        {
            refusals.Add();
            Response.Headers.WWWAuthenticate = VmToken.Challenge;
        }
        return _refusal.ExecuteAsync(Context);
    }

    private async ValueTask<(FleetVm? Vm, bool Known)> FindAsync(string hostname, string token)
    {
        var vm = fleet.Find(hostname);
        if (vm is null || !vm.IsProvedBy(VmToken.Parse(token)))
        {
            vm = await readThrough.RefreshAsync(hostname, TokenHash.Of(token).Fingerprint);
        }
        return (vm, vm is not null && vm.IsProvedBy(VmToken.Parse(token)));
    }

    private AuthenticateResult Refuse(IResult refusal)
    {
        _refusal = refusal;
        return AuthenticateResult.NoResult();
    }
}
