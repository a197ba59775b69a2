using System.Net;
using System.Security.Cryptography;
using System.Text;
using Allocator.Api.Settings;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Security;

/// <summary>The section <c>Admin</c> of the configuration. It contains only hashes, which <c>Allocator.Api hash-password</c> and
/// <c>new-key</c> create.</summary>
internal sealed class AdminOptions
{
    public const string Section = "Admin";

    [Secret]
    [Setting("`Admin:Users:<name>`: the password hash of an admin. At least one user or API key must be set.",
        Accepts = "hashes from `Allocator.Api hash-password`")]
    public Dictionary<string, string> Users { get; set; } = [];

    [Secret]
    [Setting("`Admin:ApiKeys:<name>`: the SHA-256 of a program's API key (64 hexadecimal digits); events record the name.",
        Accepts = "hashes from `Allocator.Api new-key`")]
    public Dictionary<string, string> ApiKeys { get; set; } = [];

    internal sealed class Validator : IValidateOptions<AdminOptions>
    {
        public ValidateOptionsResult Validate(string? name, AdminOptions options)
        {
            var problems = new SettingProblems(Section);
            foreach (var (user, hash) in options.Users)
            {
                problems.Require(Convert.TryFromBase64String(hash, new byte[hash.Length], out var length) && length > 16,
                    $"Users:{user}", "(hidden)", "the output of 'Allocator.Api hash-password'");
            }
            foreach (var (key, hash) in options.ApiKeys)
            {
                problems.Require(Credentials.IsSha256(hash), $"ApiKeys:{key}", "(hidden)",
                    "64 hexadecimal digits, as 'Allocator.Api new-key' prints them");
            }
            problems.Require(options.Users.Count + options.ApiKeys.Count > 0, "Users:<name>", "",
                "set for at least one admin, to the output of 'Allocator.Api hash-password'");
            return problems.Result;
        }
    }
}

/// <summary>The section <c>Enrolment</c> of the configuration.</summary>
internal sealed class EnrolmentOptions
{
    public const string Section = "Enrolment";

    [Secret]
    [Setting("`Enrolment:TokenHashes:<n>`: the SHA-256 of an enrolment token of the whole deployment. Set at least one, "
        + "and several while one replaces another. `POST /enrolment-tokens` creates tokens for single machines.",
        Accepts = "hashes from `Allocator.Api new-key`")]
    public List<string> TokenHashes { get; set; } = [];

    internal sealed class Validator : IValidateOptions<EnrolmentOptions>
    {
        public ValidateOptionsResult Validate(string? name, EnrolmentOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.Require(options.TokenHashes.Count > 0, "TokenHashes:0", "",
                "set: 64 hexadecimal digits, as 'Allocator.Api new-key' prints them");
            for (var i = 0; i < options.TokenHashes.Count; i++)
            {
                problems.Require(Credentials.IsSha256(options.TokenHashes[i]), $"TokenHashes:{i}", "(hidden)",
                    "64 hexadecimal digits, as 'Allocator.Api new-key' prints them");
            }
            return problems.Result;
        }
    }
}

/// <summary>Checks what admins and enrolling machines present against the configured hashes.</summary>
internal sealed class Credentials(
    IOptions<AdminOptions> admin, IOptions<EnrolmentOptions> enrolment, IPasswordHasher<string> hasher, SignInLimits limits) : IDisposable
{
    /// <summary>The time for which a password that was right is accepted without another hash, from the same address.</summary>
    private static readonly TimeSpan CacheDuration = TimeSpan.FromHours(12);

    private readonly (string Name, byte[] Hash)[] _apiKeys = [.. admin.Value.ApiKeys.Select(key => (key.Key, Convert.FromHexString(key.Value)))];
    private readonly byte[][] _enrolmentTokens = [.. enrolment.Value.TokenHashes.Select(Convert.FromHexString)];

    // A password hash is slow on purpose. Only one is computed at a time, so that polls keep the processor while somebody
    // guesses passwords.
    private readonly SemaphoreSlim _singleHash = new(1);
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Task<bool>> _underway = [];

    // The keys of both collections are useless outside this process. They include the address, so that a password that was
    // right for its admin cannot be guessed from another address at the speed of a lookup.
    private readonly MemoryCache _verified = new(new MemoryCacheOptions { SizeLimit = 1_000 });
    private readonly byte[] _secret = RandomNumberGenerator.GetBytes(32);

    // This hash is compared for unknown names, so that a wrong name takes as long as a wrong password.
    private readonly string _hashForUnknownNames = hasher.HashPassword("", VmToken.RandomSecret());

    public static string HashPassword(string password) => new PasswordHasher<string>().HashPassword("", password);

    public static string HashKey(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    public static bool IsSha256(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigit);

    public bool IsAdmin(string name) => admin.Value.Users.ContainsKey(name);

    /// <summary>
    /// Checks a password. One that was right lately passes at once; identical ones from one address share one check; any
    /// other is checked only if <see cref="SignInLimits"/> allows it, and refused at once if not.
    /// </summary>
    public async Task<SignIn> CheckPasswordAsync(string name, string password, IPAddress? address, CancellationToken cancel)
    {
        var key = KeyOf(name, password, address);
        if (_verified.TryGetValue(key, out _))
        {
            return SignIn.Right;
        }
        Task<bool>? check;
        lock (_lock)
        {
            // Another request may have verified it in the meantime.
            if (_verified.TryGetValue(key, out _))
            {
                return SignIn.Right;
            }
            if (!_underway.TryGetValue(key, out check))
            {
                if (limits.TryBegin(name, address, out var caller) is { } wait)
                {
                    return new SignIn(false, wait);
                }
                // The check continues when this request is aborted, because other requests may share it.
                check = Task.Run(() => CheckAsync(key, name, password, caller), CancellationToken.None);
                _underway.Add(key, check);
            }
        }
        return await check.WaitAsync(cancel) ? SignIn.Right : SignIn.Wrong;
    }

    /// <summary>Returns the name under which this API key is configured, or null, which counts as a failure of the address.</summary>
    public string? OwnerOfApiKey(string key, IPAddress? address)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        string? owner = null;
        foreach (var (name, expected) in _apiKeys)
        {
            owner = CryptographicOperations.FixedTimeEquals(hash, expected) ? name : owner;
        }
        if (owner is null)
        {
            limits.AddFailure(address);
        }
        return owner;
    }

    public bool IsEnrolmentToken(ReadOnlySpan<char> token)
    {
        var hash = TokenHash.Of(token).ToArray();
        var found = false;
        foreach (var expected in _enrolmentTokens)
        {
            found |= CryptographicOperations.FixedTimeEquals(hash, expected);
        }
        return found;
    }

    public void Dispose()
    {
        _singleHash.Dispose();
        _verified.Dispose();
    }

    private string KeyOf(string name, string password, IPAddress? address) => Convert.ToBase64String(
        HMACSHA256.HashData(_secret, Encoding.UTF8.GetBytes($"{AddressPrefix.Of(address).Bits:x32}:{name}:{password}")));

    private bool IsRight(string name, string password)
    {
        var isAdmin = admin.Value.Users.TryGetValue(name, out var hash);
        return hasher.VerifyHashedPassword("", hash ?? _hashForUnknownNames, password) != PasswordVerificationResult.Failed && isAdmin;
    }

    private async Task<bool> CheckAsync(string key, string name, string password, SignInLimits.Caller caller)
    {
        bool? isRight = null;
        try
        {
            await _singleHash.WaitAsync();
            try
            {
                // On a thread of its own: on a small machine the pool has only one, which answers the polls.
                isRight = await Task.Factory.StartNew(
                    () => IsRight(name, password), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }
            finally
            {
                _singleHash.Release();
            }
            return isRight.Value;
        }
        finally
        {
            lock (_lock)
            {
                if (isRight == true)
                {
                    _verified.Set(key, true, new MemoryCacheEntryOptions { Size = 1, AbsoluteExpirationRelativeToNow = CacheDuration });
                }
                limits.End(caller, name, isRight);
                _underway.Remove(key);
            }
        }
    }
}

/// <summary>The result of a sign-in.</summary>
/// <param name="RetryAfter">The time to wait before the next try if the password was not checked; null if it was.</param>
internal readonly record struct SignIn(bool IsRight, TimeSpan? RetryAfter)
{
    public static readonly SignIn Right = new(true, null);
    public static readonly SignIn Wrong = new(false, null);
}
