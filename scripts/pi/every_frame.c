/* What generated C makes of raw sound on standard input: for every block of samples the label that
   was heard or -1, the posteriors and the logits, as bytes. Compiled with -DNAME=prefix -DLABELS=n
   -DSAMPLES=n. */
#include <stdint.h>
#include <stdio.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)
#include TEXT(NAME.h)

int main(void)
{
    static JOIN(NAME, _listener) listener;
    static int16_t samples[SAMPLES];

    JOIN(NAME, _listener_init)(&listener);
    while (fread(samples, sizeof samples, 1, stdin) == 1) {
        const int32_t label = JOIN(NAME, _listen)(&listener, samples);

        fwrite(&label, sizeof label, 1, stdout);
        fwrite(listener.posteriors, sizeof listener.posteriors, 1, stdout);
        fwrite(listener.logits, sizeof listener.logits, 1, stdout);
    }
    return 0;
}
